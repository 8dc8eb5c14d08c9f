/** The 16 bytes of a UUID (RFC 9562 §4) and its text, without a string in between: batches convert thousands. */
export const UUID_BYTES = 16;

/** Where the two digits of each byte stand in the text form. */
const DIGITS_AT = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const;

/** Writes the 16 bytes of `uuid` into `into`. @throws TypeError when it is not a UUID in lower-case text form. */
export function writeUuid(uuid: string, into: Uint8Array, at: number): void {
  let valid = uuid.length === 36;
  for (let i = 8; i <= 23; i += 5) valid &&= uuid.charCodeAt(i) === 0x2d;
  for (let i = 0; valid && i < UUID_BYTES; i++) {
    const position = DIGITS_AT[i] ?? 0;
    const high = digit(uuid.charCodeAt(position));
    const low = digit(uuid.charCodeAt(position + 1));
    valid = high >= 0 && low >= 0;
    into[at + i] = (high << 4) | low;
  }
  if (!valid) throw new TypeError("not a UUID");
}

/** The text form of the 16 bytes at `at`: lower case with hyphens. */
export function uuidText(bytes: Uint8Array, at: number): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset + at, UUID_BYTES).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function digit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  return -1;
}
