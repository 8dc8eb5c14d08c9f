import type { SecretBytes } from "./secret-bytes.ts";
import { reveal } from "./secret-bytes.ts";

/** Standard base64 of a secret, for the reply to the caller it belongs to: the one way in which plaintext leaves. */
export function secretToBase64(secret: SecretBytes): string {
  const bytes = reveal(secret);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
