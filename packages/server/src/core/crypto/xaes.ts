import type { KeyMaterial } from "./key-material.ts";

/**
 * The key derivation of XAES-256-GCM (C2SP, XAES-256-GCM.md): from a key and the first half of a nonce of 24 bytes a key for
 * one AES-256-GCM message, whose IV is the second half. It is the KDF in counter mode of NIST SP 800-108r1 §4.1 with CMAC,
 * of which all but two blocks of AES depend on the key alone.
 */
export const XAES_NONCE_BYTES = 24;

const BLOCK_BYTES = 16;
const HALF_BYTES = 12;
/** The reduction polynomial of SP 800-38B §5.3 for blocks of 128 bits. */
const R128 = 0x87;

const iv = new Uint8Array(HALF_BYTES);

/** The IV of the message, valid until the next call: an array for each message costs more than its bytes do. */
export function xaesIv(nonce: Uint8Array): Uint8Array {
  for (let i = 0; i < HALF_BYTES; i += 1) iv[i] = nonce[HALF_BYTES + i] ?? 0;
  return iv;
}

/** Key material as the key of XAES, with what depends on it alone. */
export class XaesKey {
  readonly #material: KeyMaterial;
  /** [1]₁₆ ‖ "X" ‖ 0 ‖ 0…, then the same with [2]₁₆, each already XORed with the subkey K1. */
  readonly #masked: Uint8Array;
  readonly #input = Buffer.alloc(2 * BLOCK_BYTES);

  constructor(material: KeyMaterial) {
    this.#material = material;
    this.#masked = maskedCounters(material.encryptBlocks(new Uint8Array(BLOCK_BYTES)));
  }

  /** 32 bytes that the caller wipes. */
  messageKey(nonce: Uint8Array): Uint8Array {
    const input = this.#input;
    input.set(this.#masked);
    for (let i = 0; i < HALF_BYTES; i += 1) {
      const byte = nonce[i] ?? 0;
      input[4 + i] = (input[4 + i] ?? 0) ^ byte;
      input[BLOCK_BYTES + 4 + i] = (input[BLOCK_BYTES + 4 + i] ?? 0) ^ byte;
    }
    return this.#material.encryptBlocks(input);
  }
}

/** From L, the zero block encrypted, which is wiped. */
function maskedCounters(l: Uint8Array): Uint8Array {
  const k1 = doubled(l);
  const masked = Buffer.concat([k1, k1]);
  for (const counter of [1, 2]) {
    const prefix = [0, counter, "X".charCodeAt(0), 0];
    for (const [i, byte] of prefix.entries()) {
      const at = (counter - 1) * BLOCK_BYTES + i;
      masked[at] = (masked[at] ?? 0) ^ byte;
    }
  }
  k1.fill(0);
  return masked;
}

/** L · x in GF(2^128): L shifted by one bit to the left, and reduced (SP 800-38B §6.1). In place. */
function doubled(block: Uint8Array): Uint8Array {
  let carry = 0;
  for (let i = BLOCK_BYTES - 1; i >= 0; i -= 1) {
    const byte = block[i] ?? 0;
    block[i] = ((byte << 1) | carry) & 0xff;
    carry = byte >> 7;
  }
  // Without a branch on a secret bit.
  block[BLOCK_BYTES - 1] = (block[BLOCK_BYTES - 1] ?? 0) ^ (-carry & R128);
  return block;
}
