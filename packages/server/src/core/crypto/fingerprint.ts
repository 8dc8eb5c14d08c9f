import { hash } from "node:crypto";

/** SHA-256 of a public key (DER SubjectPublicKeyInfo) as 64 hex digits: what people compare. */
export function fingerprint(publicKey: Uint8Array): string {
  return hash("sha256", publicKey, "hex");
}
