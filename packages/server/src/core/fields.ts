/**
 * Fields of a binary form, one behind the other: a byte, a count (4 bytes, big endian), bytes or UTF-8 text with
 * their length as a count before them, or bytes of a length that both sides know.
 */
export class FieldWriter {
  readonly #parts: Uint8Array[] = [];

  byte(value: number): void {
    this.#parts.push(Uint8Array.of(value));
  }

  count(value: number): void {
    const part = Buffer.alloc(4);
    part.writeUInt32BE(value);
    this.#parts.push(part);
  }

  /** Copies, so that the caller may wipe its own. */
  bytes(value: Uint8Array): void {
    this.count(value.byteLength);
    this.fixed(value);
  }

  text(value: string): void {
    this.bytes(Buffer.from(value, "utf8"));
  }

  fixed(value: Uint8Array): void {
    this.#parts.push(Uint8Array.from(value));
  }

  /** All fields in one; what was copied on the way is wiped. */
  finish(): Uint8Array {
    const length = this.#parts.reduce((sum, part) => sum + part.byteLength, 0);
    const joined = new Uint8Array(length);
    let at = 0;
    for (const part of this.#parts) {
      joined.set(part, at);
      at += part.byteLength;
      part.fill(0);
    }
    return joined;
  }
}

/** Reads what FieldWriter wrote. Every method throws TypeError where the bytes end too early. Bytes come as views. */
export class FieldReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  byte(): number {
    return this.#view.getUint8(this.#pass(1));
  }

  count(): number {
    return this.#view.getUint32(this.#pass(4));
  }

  bytes(): Uint8Array {
    return this.fixed(this.count());
  }

  text(): string {
    return new TextDecoder("utf-8", { fatal: true }).decode(this.bytes());
  }

  fixed(lengthBytes: number): Uint8Array {
    const start = this.#pass(lengthBytes);
    return this.#bytes.subarray(start, this.#at);
  }

  /** Nothing may be left. */
  end(): void {
    if (this.#at !== this.#bytes.byteLength) throw new TypeError("bytes are left behind the last field");
  }

  /** Where the field begins. */
  #pass(lengthBytes: number): number {
    const start = this.#at;
    if (start + lengthBytes > this.#bytes.byteLength) throw new TypeError("the fields end too early");
    this.#at = start + lengthBytes;
    return start;
  }
}
