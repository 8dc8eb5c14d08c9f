/**
 * Base64 with the standard alphabet and padding, as the API carries bytes (RFC 4648 §4). Node.js before 25 has only
 * Buffer for it, browsers only the methods of Uint8Array.
 */
const native = typeof Uint8Array.fromBase64 === "function";

/** The bytes in base64. */
export function toBase64(bytes: Uint8Array): string {
  if (native) return bytes.toBase64();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

const WHOLE = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The bytes, in memory of their own (no pool that other data shares). Throws SyntaxError for anything but base64. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  if (native) return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  if (!WHOLE.test(text)) throw new SyntaxError("not base64");
  const bytes = new Uint8Array(Buffer.byteLength(text, "base64"));
  Buffer.from(bytes.buffer).write(text, "base64");
  return bytes;
}
