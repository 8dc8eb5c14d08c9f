import { createPublicKey } from "node:crypto";

/** Members of a public JWK (RFC 7517, RFC 7518 §6, RFC 8037 §2), as far as the kind of key has them. */
export interface PublicJwk {
  readonly kty: string;
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
  readonly n?: string;
  readonly e?: string;
}

/** A public key (DER SubjectPublicKeyInfo) as PEM (RFC 7468 §13) and as JWK. */
export function publicKeyForms(publicKey: Uint8Array): { readonly pem: string; readonly jwk: PublicJwk } {
  const key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
  const { kty, crv, x, y, n, e } = key.export({ format: "jwk" });
  if (kty === undefined) throw new TypeError("a public key without a JWK");
  const members = Object.entries({ crv, x, y, n, e }).filter(([, value]) => value !== undefined);
  return {
    pem: key.export({ format: "pem", type: "spki" }),
    jwk: { kty, ...Object.fromEntries(members) },
  };
}
