import { exportPublicKey } from "../../core/operations/export-public-key.ts";
import type { ServicePorts } from "../../core/operations/service-ports.ts";
import { sign } from "../../core/operations/sign.ts";
import { verify } from "../../core/operations/verify.ts";
import { namesIn } from "./names-in.ts";
import type { NativeHandlers } from "./call.ts";
import { base64 } from "./translate.ts";

type SignatureRoute = "sign" | "verify" | "exportPublicKey";

/** The routes that sign and verify, and public keys. */
export function signatureHandlers(ports: ServicePorts): Pick<NativeHandlers, SignatureRoute> {
  const { keyNamed } = namesIn(ports.keys);

  return {
    sign: async ({ params, body }, _caller, touched) => {
      const { key } = await keyNamed(params, touched);
      const message = Buffer.from(body.message, "base64");
      const { signature, ...used } = await sign(ports, { key, ...body, message });
      touched.version = used.keyVersion;
      return { signature: base64(signature), keyId: key.id, ...used };
    },
    verify: async ({ params, body }, _caller, touched) => {
      const { key } = await keyNamed(params, touched);
      const message = Buffer.from(body.message, "base64");
      const signature = Buffer.from(body.signature, "base64");
      return { keyId: key.id, ...(await verify(ports, { key, ...body, message, signature })) };
    },
    exportPublicKey: async ({ params, query }, _caller, touched) => {
      const { key } = await keyNamed(params, touched);
      const { algorithms, ...exported } = await exportPublicKey(ports, { key, keyVersion: query.version });
      return { keyId: key.id, algorithms: [...algorithms], ...exported };
    },
  };
}
