import { createCipheriv, createHmac } from "node:crypto";
import type { Cipheriv, KeyObject } from "node:crypto";

/**
 * What suites and MACs use key material with: two primitives, each of which a unit can do where the material is. That of
 * a token does not leave it; what these return is never more than the keys of one message, and the key of §7.
 */
export interface KeyMaterial {
  /** HMAC-SHA-256: 32 bytes, which the caller wipes. */
  hmac(input: Uint8Array): Uint8Array;
  /** AES-256 of each block of 16 bytes by itself (ECB), which the caller wipes. */
  encryptBlocks(blocks: Uint8Array): Uint8Array;
}

/** Key material in the memory of this process, 32 bytes. OpenSSL zeroes it when nothing holds it. */
export class KeyMaterialInMemory implements KeyMaterial {
  readonly #key: KeyObject;
  #blocks: Cipheriv | undefined;

  constructor(key: KeyObject) {
    this.#key = key;
  }

  hmac(input: Uint8Array): Uint8Array {
    return createHmac("sha256", this.#key).update(input).digest();
  }

  encryptBlocks(blocks: Uint8Array): Uint8Array {
    // Expanded once: a cipher for each message would cost more than its blocks.
    this.#blocks ??= createCipheriv("aes-256-ecb", this.#key, null).setAutoPadding(false);
    return this.#blocks.update(blocks);
  }
}
