import { Failure } from "../errors.ts";

/** Name–value pairs that a caller binds a ciphertext to, in the clear and not stored: both sides must give the same. */
export type EncryptionContext = Readonly<Record<string, string>> | ReadonlyMap<string, string>;

export const CONTEXT_LIMITS = { pairs: 64, nameBytes: 256, valueBytes: 4096, totalBytes: 8192 } as const;

interface EncodedPair {
  readonly name: Buffer;
  readonly value: Buffer;
}

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
  const encoded = pairs.map(encodePair).sort((a, b) => Buffer.compare(a.name, b.name));
  const textBytes = encoded.reduce((sum, pair) => sum + pair.name.byteLength + pair.value.byteLength, 0);
  if (textBytes > CONTEXT_LIMITS.totalBytes)
    refuse(`a context has at most ${CONTEXT_LIMITS.totalBytes} bytes`);

  const bytes = Buffer.alloc(4 + 8 * encoded.length + textBytes);
  let at = bytes.writeUInt32BE(encoded.length, 0);
  for (const field of encoded.flatMap((pair) => [pair.name, pair.value])) {
    at = bytes.writeUInt32BE(field.byteLength, at);
    at += field.copy(bytes, at);
  }
  return bytes;
}

/** Own pairs only: a name such as `__proto__` is a name like any other and reads nothing it was not given. */
function pairsOf(context: EncryptionContext): [string, unknown][] {
  return context instanceof Map ? [...context] : Object.entries(context);
}

function encodePair([name, value]: [string, unknown]): EncodedPair {
  if (typeof name !== "string" || typeof value !== "string")
    refuse("names and values of a context are strings");
  if (!name.isWellFormed() || !value.isWellFormed())
    refuse("a context is Unicode text without lone surrogates");
  const pair = { name: Buffer.from(name, "utf8"), value: Buffer.from(value, "utf8") };
  if (pair.name.byteLength === 0) refuse("a name in a context is not empty");
  if (pair.name.byteLength > CONTEXT_LIMITS.nameBytes)
    refuse(`a name has at most ${CONTEXT_LIMITS.nameBytes} bytes`);
  if (pair.value.byteLength > CONTEXT_LIMITS.valueBytes)
    refuse(`a value has at most ${CONTEXT_LIMITS.valueBytes} bytes`);
  return pair;
}

function refuse(detail: string): never {
  throw new Failure("invalid-request", detail, { field: "context" });
}
