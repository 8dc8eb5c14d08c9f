import { randomFillSync, randomUUID } from "node:crypto";

/**
 * Random bytes of OpenSSL's generator. Public values (nonces, salts) come from a pool, because a large call costs
 * little more than a small one; secrets never do, since a pool would keep a copy of them.
 */
const POOL_BYTES = 8192;
const pool = new Uint8Array(POOL_BYTES);
let usedBytes = POOL_BYTES;

/** A random UUID (RFC 9562 §5.4), lower case with hyphens. */
export function uuid(): string {
  return randomUUID();
}

/** `lengthBytes` (at most 8192) random bytes that need not stay secret: nonces, salts, names of temporary files. */
export function randomNonce(lengthBytes: number): Uint8Array {
  if (lengthBytes > POOL_BYTES) throw new RangeError(`a nonce has at most ${POOL_BYTES} bytes`);
  if (usedBytes + lengthBytes > POOL_BYTES) {
    randomFillSync(pool);
    usedBytes = 0;
  }
  const nonce = Buffer.allocUnsafe(lengthBytes);
  nonce.set(pool.subarray(usedBytes, usedBytes + lengthBytes));
  usedBytes += lengthBytes;
  return nonce;
}

/** `lengthBytes` random bytes for a secret, in memory of their own. Whoever asks for them wipes them. */
export function randomSecret(lengthBytes: number): Uint8Array<ArrayBuffer> {
  return randomFillSync(new Uint8Array(lengthBytes));
}
