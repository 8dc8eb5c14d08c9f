import { hash } from "node:crypto";

/** A ciphertext that a client keeps, and what it must decrypt to. */
export interface Kept {
  readonly project: string;
  readonly key: string;
  readonly ciphertext: Uint8Array;
  /** Of the plaintext. */
  readonly digest: string;
}

/**
 * Every ciphertext that clients would miss, with the digest of its plaintext. A key counts as lost when one of its
 * ciphertexts does not decrypt to the same plaintext.
 */
export class Ledger {
  readonly #kept: Kept[] = [];
  readonly #keys = new Set<string>();

  /** Ciphertexts kept. */
  get size(): number {
    return this.#kept.length;
  }
  /** Keys that made them. */
  get keys(): number {
    return this.#keys.size;
  }

  keep(project: string, key: string, ciphertext: Uint8Array, plaintext: Uint8Array): void {
    this.#kept.push({ project, key, ciphertext, digest: digestOf(plaintext) });
    this.#keys.add(key);
  }

  any(): Kept {
    const kept = this.#kept[Math.floor(Math.random() * this.#kept.length)];
    if (kept === undefined) throw new Error("there is no ciphertext yet");
    return kept;
  }

  [Symbol.iterator](): IterableIterator<Kept> {
    return this.#kept.values();
  }
}

export function isPlaintextOf(kept: Kept, plaintext: Uint8Array): boolean {
  return digestOf(plaintext) === kept.digest;
}

function digestOf(plaintext: Uint8Array): string {
  return hash("sha256", plaintext, "base64");
}
