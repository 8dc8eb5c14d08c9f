/**
 * The members of a JSON object in a row of a Barbican, each by a reader that names what is wrong with it. What is read may be
 * wrapped keys: no complaint has a value in it.
 */

export type Members = Readonly<Record<string, unknown>>;

/** The object that `text` is, if it has no other members than `known`. Otherwise what is wrong with it. */
export function objectOf(text: string, known: ReadonlySet<string>): Members | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return "it is no JSON";
    throw error;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "it is no JSON object";
  for (const name in value) if (!known.has(name)) return "it has a member that is not known";
  return value as Members;
}

/** The bytes of standard base64 with its padding and nothing else (RFC 4648 §4); undefined if `value` is not that. */
export function bytesOf(value: unknown): Uint8Array | undefined {
  if (typeof value !== "string") return undefined;
  const bytes = Buffer.from(value, "base64");
  // The decoder skips what is none: whether it has is told by writing the bytes again. It is three times as fast as a strict one.
  return bytes.toString("base64") === value ? new Uint8Array(bytes) : undefined;
}

/** A name out of a row, for people: cut short, and with nothing in it that a terminal obeys. */
export function shown(name: unknown): string {
  return typeof name === "string" ? JSON.stringify(name.slice(0, 64)) : "of no name";
}
