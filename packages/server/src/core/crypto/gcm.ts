import { createCipheriv, createDecipheriv } from "node:crypto";

/** AES-256-GCM (NIST SP 800-38D) under a key that is used for one message, and wiped here. IV 12 bytes, tag 16. */
export const TAG_BYTES = 16;

const GCM = "aes-256-gcm";
const GCM_OPTIONS = { authTagLength: TAG_BYTES } as const;

/** Ciphertext with the tag behind it. Wipes `messageKey`. */
export function sealGcm(
  messageKey: Uint8Array,
  iv: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv(GCM, messageKey, iv, GCM_OPTIONS);
  messageKey.fill(0);
  cipher.setAAD(aad);
  const sealed = Buffer.allocUnsafe(plaintext.byteLength + TAG_BYTES);
  sealed.set(cipher.update(plaintext));
  cipher.final();
  sealed.set(cipher.getAuthTag(), plaintext.byteLength);
  return sealed;
}

/** The plaintext, which the caller wipes, or "refused". Wipes `messageKey`. */
export function openGcm(
  messageKey: Uint8Array,
  iv: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
): Uint8Array<ArrayBuffer> | "refused" {
  const lengthBytes = sealed.byteLength - TAG_BYTES;
  if (lengthBytes < 0) {
    messageKey.fill(0);
    return "refused";
  }
  const decipher = createDecipheriv(GCM, messageKey, iv, GCM_OPTIONS);
  messageKey.fill(0);
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(lengthBytes));
  const plaintext = decipher.update(sealed.subarray(0, lengthBytes));
  try {
    decipher.final();
  } catch {
    // The tag differs: node:crypto gives this error no code, and final() has no other for GCM.
    plaintext.fill(0);
    return "refused";
  }
  return plaintext;
}
