import { createCipheriv, createDecipheriv, createHash, createSecretKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { SecretBytes } from "../secret/secret-bytes.ts";
import { reveal } from "../secret/secret-bytes.ts";

/**
 * A stream of sealed chunks (docs/backup-format.md §4; the STREAM construction of Hoang, Reyhanitabar, Rogaway and
 * Vizár, 2015): AES-256-GCM under a key that seals nothing else, with a nonce of the chunk's number (11 bytes, big
 * endian) and a byte that is 1 for the last chunk and 0 for every other. A chunk that was changed, left out, repeated,
 * put elsewhere or taken from another stream does not open, and neither does a stream whose end was cut off or that goes on
 * behind its end. `binding` is authenticated with each chunk.
 */
export const CHUNK_BYTES = 65_536;
export const CHUNK_TAG_BYTES = 16;
export const FILE_KEY_BYTES = 32;

const GCM = "aes-256-gcm";
const GCM_OPTIONS = { authTagLength: CHUNK_TAG_BYTES } as const;

export class ChunkSealer {
  readonly #key: KeyObject;
  readonly #binding: Uint8Array;
  #next = 0;

  constructor(fileKey: SecretBytes, binding: Uint8Array) {
    this.#key = createSecretKey(reveal(fileKey));
    this.#binding = binding;
  }

  /** Seals the next chunk: exactly CHUNK_BYTES, but for the last one, which has at most as many. */
  seal(plaintext: Uint8Array, last: boolean): Uint8Array {
    if (plaintext.byteLength > CHUNK_BYTES || (!last && plaintext.byteLength !== CHUNK_BYTES)) {
      throw new RangeError("only the last chunk is shorter than the others");
    }
    const cipher = createCipheriv(GCM, this.#key, nonceOf(this.#next++, last), GCM_OPTIONS);
    cipher.setAAD(this.#binding);
    const sealed = new Uint8Array(plaintext.byteLength + CHUNK_TAG_BYTES);
    sealed.set(cipher.update(plaintext));
    cipher.final();
    sealed.set(cipher.getAuthTag(), plaintext.byteLength);
    return sealed;
  }
}

export class ChunkOpener {
  readonly #key: KeyObject;
  readonly #binding: Uint8Array;
  #next = 0;

  constructor(fileKey: SecretBytes, binding: Uint8Array) {
    this.#key = createSecretKey(reveal(fileKey));
    this.#binding = binding;
  }

  /** The plaintext of the next chunk, or "refused", whatever it is that does not fit. */
  open(sealed: Uint8Array, last: boolean): Uint8Array | "refused" {
    const length = sealed.byteLength - CHUNK_TAG_BYTES;
    if (length < 0) return "refused";
    const decipher = createDecipheriv(GCM, this.#key, nonceOf(this.#next++, last), GCM_OPTIONS);
    decipher.setAAD(this.#binding);
    decipher.setAuthTag(sealed.subarray(length));
    const plaintext = decipher.update(sealed.subarray(0, length));
    try {
      decipher.final();
    } catch {
      // The tag differs: node:crypto gives this error no code, and final() has no other for GCM.
      return "refused";
    }
    return plaintext;
  }
}

/** What the chunks of a stream are bound to: SHA-256 of everything that stands in front of them. */
export function bindingOf(head: Uint8Array): Uint8Array {
  return createHash("sha256").update(head).digest();
}

/** Numbers stay below 2^53: a stream that long has 2^69 bytes. */
function nonceOf(number: number, last: boolean): Uint8Array {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(number), 3);
  nonce[11] = last ? 1 : 0;
  return nonce;
}
