import { hash } from "node:crypto";

/**
 * The hashes of a chain:
 *   hash of record 0 = SHA-256("claviger audit chain 1" ‖ name of the chain), which no record has;
 *   hash of record n = SHA-256("claviger audit record 1" ‖ hash of record n - 1 ‖ text of record n).
 * The labels keep the two apart; the name binds every record to its chain.
 */
const CHAIN_LABEL = "claviger audit chain 1";
const RECORD_LABEL = Buffer.from("claviger audit record 1", "latin1");

export const HASH_BYTES = 32;
const TEXT_AT = RECORD_LABEL.length + HASH_BYTES;

/** The hash that record 1 of a chain follows on. */
export function hashOfChain(chain: string): Buffer {
  return hash("sha256", Buffer.from(CHAIN_LABEL + chain, "utf8"), "buffer");
}

/** Hashes records one after the other, in one buffer that grows with the longest. */
export class RecordHasher {
  #input = Buffer.alloc(4096);

  constructor() {
    this.#input.set(RECORD_LABEL);
  }

  /** `before` is the hash of the record before. */
  ofText(before: Uint8Array, text: string): Buffer {
    this.#reserve(text.length * 3);
    this.#input.set(before, RECORD_LABEL.length);
    const lengthBytes = this.#input.write(text, TEXT_AT, "utf8");
    return hash("sha256", this.#input.subarray(0, TEXT_AT + lengthBytes), "buffer");
  }

  ofBytes(before: Uint8Array, text: Uint8Array): Buffer {
    this.#reserve(text.byteLength);
    this.#input.set(before, RECORD_LABEL.length);
    this.#input.set(text, TEXT_AT);
    return hash("sha256", this.#input.subarray(0, TEXT_AT + text.byteLength), "buffer");
  }

  #reserve(textBytes: number): void {
    if (TEXT_AT + textBytes <= this.#input.byteLength) return;
    this.#input = Buffer.alloc(2 * (TEXT_AT + textBytes));
    this.#input.set(RECORD_LABEL);
  }
}
