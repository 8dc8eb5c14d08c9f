import { hash } from "node:crypto";

/** What the hash begins with. */
export const KEY_CHECK_VALUE_LABEL = Buffer.from("claviger key check value 1", "latin1");

export const KEK_BYTES = 32;
export const KCV_BYTES = 16;

/**
 * KCV of a KEK: the first 16 bytes of SHA-256(label ‖ KEK). It is public and names the KEK in its row; never
 * AES-ECB of zeros, which would hand out a block under the KEK.
 */
export function keyCheckValue(kek: Uint8Array): Uint8Array {
  using values = new KeyCheckValues();
  const kcv = new Uint8Array(KCV_BYTES);
  values.write(kek, 0, kcv, 0);
  return kcv;
}

/** Check values of many KEKs, through one input buffer that is zeroed at the end of its scope. */
export class KeyCheckValues implements Disposable {
  readonly #input = new Uint8Array(KEY_CHECK_VALUE_LABEL.byteLength + KEK_BYTES);
  readonly #digest = Buffer.alloc(32);

  constructor() {
    this.#input.set(KEY_CHECK_VALUE_LABEL);
  }

  /** Writes the KCV of the KEK at `keks[at …]` to `into[intoAt …]`. */
  write(keks: Uint8Array, at: number, into: Uint8Array, intoAt: number): void {
    this.#compute(keks, at);
    for (let i = 0; i < KCV_BYTES; i++) into[intoAt + i] = this.#digest[i] ?? 0;
  }

  /** Whether the KEK at `keks[at …]` has the KCV at `kcvs[kcvAt …]`. */
  matches(keks: Uint8Array, at: number, kcvs: Uint8Array, kcvAt: number): boolean {
    this.#compute(keks, at);
    let difference = 0;
    for (let i = 0; i < KCV_BYTES; i++) difference |= (this.#digest[i] ?? 0) ^ (kcvs[kcvAt + i] ?? 0);
    return difference === 0;
  }

  [Symbol.dispose](): void {
    this.#input.fill(0);
    this.#digest.fill(0);
  }

  #compute(keks: Uint8Array, at: number): void {
    if (at + KEK_BYTES > keks.byteLength) throw new RangeError("a KEK has 32 bytes");
    for (let i = 0; i < KEK_BYTES; i++) this.#input[KEY_CHECK_VALUE_LABEL.byteLength + i] = keks[at + i] ?? 0;
    // The digest passes as a string because that costs half of a Buffer (measured); it tells nothing of a 256-bit key.
    this.#digest.write(hash("sha256", this.#input, "latin1"), "latin1");
  }
}
