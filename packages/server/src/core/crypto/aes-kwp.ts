import { createCipheriv, createDecipheriv } from "node:crypto";
import type { KeyObject } from "node:crypto";

/**
 * AES-256 key wrap with padding (RFC 5649; KWP of NIST SP 800-38F §6.3) of 1 to 4096 bytes of key material.
 * This is the per-row way and the oracle of aes-kwp-batch.ts.
 */
const CIPHER = "id-aes256-wrap-pad";

/** RFC 5649 §3: the constant half of the alternative initial value. */
const AIV_CONSTANT = Buffer.from("a65959a6", "hex");

const KWP_MAX_MATERIAL_BYTES = 4096;

/** Length of the wrapped form of `lengthBytes` bytes of material. */
export function kwpLengthBytes(lengthBytes: number): number {
  return Math.ceil(lengthBytes / 8) * 8 + 8;
}

/** `material` wrapped under the AES-256 key `kek`. */
export function wrapKwp(kek: KeyObject, material: Uint8Array): Uint8Array {
  if (material.byteLength < 1 || material.byteLength > KWP_MAX_MATERIAL_BYTES) {
    throw new RangeError(`key material has 1 to ${KWP_MAX_MATERIAL_BYTES} bytes`);
  }
  const cipher = createCipheriv(CIPHER, kek, AIV_CONSTANT);
  const wrapped = cipher.update(material);
  cipher.final();
  return wrapped;
}

/** The material inside `wrapped`, which the caller wipes, or "refused" when it was not wrapped by `kek` or was changed. */
export function unwrapKwp(kek: KeyObject, wrapped: Uint8Array): Uint8Array | "refused" {
  const length = wrapped.byteLength;
  if (length < 16 || length % 8 !== 0 || length > kwpLengthBytes(KWP_MAX_MATERIAL_BYTES)) return "refused";
  const decipher = createDecipheriv(CIPHER, kek, AIV_CONSTANT);
  let material: Uint8Array;
  try {
    material = decipher.update(wrapped);
  } catch {
    // The integrity check failed: node:crypto gives this error no code, and with the length checked there is no other.
    return "refused";
  }
  decipher.final();
  return material;
}
