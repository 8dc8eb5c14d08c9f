import type { Context } from "@claviger/api";
import { PLAINTEXT_LIMIT_BYTES } from "@claviger/api";
import { Failure } from "../../core/errors.ts";
import { decrypt } from "../../core/operations/decrypt.ts";
import { encrypt } from "../../core/operations/encrypt.ts";
import { generateDataKey } from "../../core/operations/generate-data-key.ts";
import type { ServicePorts } from "../../core/operations/service-ports.ts";
import { namesIn } from "./names-in.ts";
import type { NativeHandlers } from "./call.ts";
import { base64 } from "./translate.ts";

const DATA_KEY_BYTES = 32;

type EncryptionRoute = "encrypt" | "decrypt" | "generateDataKey";

/** The routes that encrypt and decrypt. */
export function encryptionHandlers(ports: ServicePorts): Pick<NativeHandlers, EncryptionRoute> {
  const { projectNamed, keyNamed } = namesIn(ports.keys);

  return {
    encrypt: async ({ params, body }, _caller, touched) => {
      touched.context = namesOf(body.context);
      const { key } = await keyNamed(params, touched);
      const plaintext = Buffer.from(body.plaintext, "base64");
      if (plaintext.byteLength > PLAINTEXT_LIMIT_BYTES) {
        throw new Failure("invalid-request", `plaintext has more than ${PLAINTEXT_LIMIT_BYTES} bytes`, {
          field: "plaintext",
        });
      }
      const ciphertext = await encrypt(ports, { key, plaintext, context: body.context ?? {} });
      plaintext.fill(0);
      return { ciphertext: base64(ciphertext), keyId: key.id, keyVersion: key.currentVersion };
    },
    decrypt: async ({ params, body }, _caller, touched) => {
      touched.context = namesOf(body.context);
      const project = await projectNamed(params, touched);
      const ciphertext = Buffer.from(body.ciphertext, "base64");
      const { keyId, keyVersion, ...opened } = await decrypt(ports, {
        project,
        ciphertext,
        context: body.context ?? {},
        onKey: (named) => Object.assign(touched, named),
      });
      using plaintext = opened.plaintext;
      return { plaintext: ports.toBase64(plaintext), keyId, keyVersion };
    },
    generateDataKey: async ({ params, body }, _caller, touched) => {
      touched.context = namesOf(body.context);
      const { key } = await keyNamed(params, touched);
      const lengthBytes = body.lengthBytes ?? DATA_KEY_BYTES;
      const { ciphertext, ...made } = await generateDataKey(ports, {
        key,
        lengthBytes,
        context: body.context ?? {},
      });
      using plaintext = made.plaintext;
      return {
        plaintext: ports.toBase64(plaintext),
        ciphertext: base64(ciphertext),
        keyId: key.id,
        keyVersion: key.currentVersion,
      };
    },
  };
}

/** Names of an encryption context: all that is recorded of it. */
function namesOf(context: Context | undefined): readonly string[] | undefined {
  return context && Object.keys(context);
}
