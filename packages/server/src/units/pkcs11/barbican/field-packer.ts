const COUNT_BYTES = 4;

/** Writes fields as FieldWriter does (core/fields.ts), into one buffer whose length is known before: for very many of them. */
export class FieldPacker {
  readonly #buffer: Buffer;
  readonly #view: DataView;
  #at = 0;

  constructor(lengthBytes: number) {
    this.#buffer = Buffer.allocUnsafeSlow(lengthBytes);
    this.#view = new DataView(this.#buffer.buffer);
  }

  byte(value: number): void {
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
  }

  count(value: number): void {
    this.#view.setUint32(this.#at, value);
    this.#at += COUNT_BYTES;
  }

  bytes(value: Uint8Array): void {
    this.count(value.byteLength);
    this.#buffer.set(value, this.#at);
    this.#at += value.byteLength;
  }

  /** @throws RangeError where it is not as long as was said. */
  finish(): Buffer {
    if (this.#at !== this.#buffer.byteLength) throw new RangeError("packed fields of another length");
    return this.#buffer;
  }
}
