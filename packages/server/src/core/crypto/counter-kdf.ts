/**
 * Inputs for the KDF in counter mode of NIST SP 800-108r1 §4.1 with PRF HMAC-SHA-256, for one block of output:
 * [1]_32 ‖ label ‖ 0x00 ‖ context ‖ [256]_32. Two labels make two keys: no input of one is an input of the other.
 */
const COUNTER_BYTES = 4;
const LENGTH_BYTES = 4;

/** With a context of `contextBytes` zero bytes, which `setKdfContext` fills in. */
export function kdfInput(label: string, contextBytes: number): Uint8Array {
  const input = Buffer.alloc(COUNTER_BYTES + label.length + 1 + contextBytes + LENGTH_BYTES);
  input.writeUInt32BE(1, 0);
  input.write(label, COUNTER_BYTES, "latin1");
  input.writeUInt32BE(256, input.byteLength - LENGTH_BYTES);
  return input;
}

/** In place; `context` is as long as the input was made for. */
export function setKdfContext(input: Uint8Array, context: Uint8Array): void {
  input.set(context, input.byteLength - LENGTH_BYTES - context.byteLength);
}
