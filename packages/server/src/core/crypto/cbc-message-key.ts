import type { KeyMaterial } from "./key-material.ts";

/**
 * The message key of suite 3 (docs/wrapped-key-format.md §6): AES-256-CBC of a constant under the material,
 * without padding, with the first 16 bytes of the nonce as IV. A token derives the same from that IV and that constant as a
 * key that it keeps: CKM_AES_CBC_ENCRYPT_DATA (PKCS#11 v3.1, "Key derivation by data encryption – DES & AES").
 */
export const CBC_NONCE_BYTES = 28;

const BLOCK_BYTES = 16;

/** The constant, 32 bytes: two blocks that differ. */
export const CBC_DATA = Uint8Array.from(
  Buffer.from("claviger payload 3".padEnd(2 * BLOCK_BYTES, "\0"), "latin1"),
);

/** 32 bytes that the caller wipes. */
export function cbcMessageKey(material: KeyMaterial, nonce: Uint8Array): Uint8Array {
  const first = material.encryptBlocks(xor(CBC_DATA.subarray(0, BLOCK_BYTES), nonce));
  const masked = xor(CBC_DATA.subarray(BLOCK_BYTES), first);
  const second = material.encryptBlocks(masked);
  const key = Buffer.concat([first, second]);
  for (const part of [first, masked, second]) part.fill(0);
  return key;
}

/** The IV of the message: the second half of its nonce, 12 bytes. */
export function cbcIv(nonce: Uint8Array): Uint8Array {
  return nonce.subarray(BLOCK_BYTES);
}

function xor(block: Uint8Array, mask: Uint8Array): Uint8Array {
  return block.map((byte, i) => byte ^ (mask[i] ?? 0));
}
