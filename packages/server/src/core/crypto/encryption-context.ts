import { Failure } from "../errors.ts";

/** Name–value pairs that a caller binds a ciphertext to, in the clear and not stored: both sides must give the same. */
export type EncryptionContext = Readonly<Record<string, string>> | ReadonlyMap<string, string>;

export const CONTEXT_LIMITS = { pairs: 64, nameBytes: 256, valueBytes: 4096, totalBytes: 8192 } as const;

/**
 * The canonical bytes of a context: the number of pairs, then for each pair, in the order of the names' UTF-8 bytes,
 * length and bytes of the name, length and bytes of the value; numbers are 4 bytes, big endian. Two contexts have
 * the same bytes exactly when they hold the same pairs, in whatever order they were given.
 * `totalBytes` bounds names and values together, without the lengths.
 * @throws Failure `invalid-request` (field "context") beyond the limits, for an empty name, for a value that is no
 * string, and for a lone surrogate, which UTF-8 would turn into another text.
 */
export function encodeContext(context: EncryptionContext): Uint8Array {
  const pairs = pairsOf(context);
  if (pairs.length > CONTEXT_LIMITS.pairs) refuse(`a context has at most ${CONTEXT_LIMITS.pairs} pairs`);
  let textBytes = 0;
  for (const pair of pairs) textBytes += checkedBytes(pair);
  if (textBytes > CONTEXT_LIMITS.totalBytes)
    refuse(`a context has at most ${CONTEXT_LIMITS.totalBytes} bytes`);
  if (pairs.length > 1) pairs.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

  const bytes = Buffer.allocUnsafe(4 + 8 * pairs.length + textBytes);
  let at = bytes.writeUInt32BE(pairs.length, 0);
  for (const [name, value] of pairs) {
    at = writeField(name, bytes, at);
    at = writeField(value, bytes, at);
  }
  return bytes;
}

/** Writes the length of a text's UTF-8 bytes and the bytes; returns where they end. */
function writeField(text: string, into: Buffer, at: number): number {
  const lengthBytes = into.write(text, at + 4, "utf8");
  into.writeUInt32BE(lengthBytes, at);
  return at + 4 + lengthBytes;
}

/** Own pairs only: a name such as `__proto__` is a name like any other and reads nothing it was not given. */
function pairsOf(context: EncryptionContext): [string, string][] {
  return context instanceof Map ? [...context] : Object.entries(context as Record<string, string>);
}

/** The UTF-8 bytes of name and value together. What has come over the wire need not be what its type says. */
function checkedBytes([name, value]: readonly [unknown, unknown]): number {
  if (typeof name !== "string" || typeof value !== "string")
    refuse("names and values of a context are strings");
  if (!name.isWellFormed() || !value.isWellFormed())
    refuse("a context is Unicode text without lone surrogates");
  const nameBytes = Buffer.byteLength(name);
  const valueBytes = Buffer.byteLength(value);
  if (nameBytes === 0) refuse("a name in a context is not empty");
  if (nameBytes > CONTEXT_LIMITS.nameBytes) refuse(`a name has at most ${CONTEXT_LIMITS.nameBytes} bytes`);
  if (valueBytes > CONTEXT_LIMITS.valueBytes)
    refuse(`a value has at most ${CONTEXT_LIMITS.valueBytes} bytes`);
  return nameBytes + valueBytes;
}

function refuse(detail: string): never {
  throw new Failure("invalid-request", detail, { field: "context" });
}
