import { inspect } from "node:util";

/**
 * Bytes that must not be seen: they print as `[secret]`, are never JSON, and are overwritten when the scope that
 * holds them with `using` ends. `reveal` is the one door to the bytes; lint lists the files that may import it.
 */
export class SecretBytes implements Disposable {
  readonly #bytes: Uint8Array;
  #wiped = false;

  /** Takes `bytes` over: the caller must not keep or change them. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get lengthBytes(): number {
    return this.#bytes.byteLength;
  }

  /** Overwrites the bytes with zeros. May be called more than once. */
  [Symbol.dispose](): void {
    this.#bytes.fill(0);
    this.#wiped = true;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): never {
    throw new TypeError("SecretBytes is never JSON");
  }

  [inspect.custom](): string {
    return "[secret]";
  }

  /** For `reveal` alone. */
  static open(secret: SecretBytes): Uint8Array {
    if (secret.#wiped) throw new TypeError("SecretBytes used after it was wiped");
    return secret.#bytes;
  }
}

/** The bytes themselves, not a copy: they are zeroed when `secret` is disposed. */
export function reveal(secret: SecretBytes): Uint8Array {
  return SecretBytes.open(secret);
}
