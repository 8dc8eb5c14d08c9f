import { createSecretKey, scrypt } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { SecretBytes } from "../../core/secret/secret-bytes.ts";
import { reveal } from "../../core/secret/secret-bytes.ts";

/**
 * The key that seals a unit's file, derived from its PIN by scrypt (RFC 7914). Beside it scrypt yields a check value,
 * which stands in the file: it tells a wrong PIN from a damaged file, and gives whoever guesses PINs no more than
 * the sealed state itself does.
 */
export interface KdfParameters {
  /** N = 2^log2N; memory is 128 · N · r bytes. */
  readonly log2N: number;
  readonly r: number;
  readonly p: number;
}

/** About 140 ms and 64 MiB on one core of a server of 2024. */
export const DEFAULT_KDF: KdfParameters = { log2N: 16, r: 8, p: 1 };

const MAX_MEMORY_BYTES = 256 * 1024 * 1024;

export interface PinKey {
  readonly sealingKey: KeyObject;
  /** 32 bytes, not secret. */
  readonly check: Uint8Array;
}

/** Bounds, so that parameters read from a changed file make the process neither allocate nor compute without end. */
export function isKdfAcceptable({ log2N, r, p }: KdfParameters): boolean {
  const within = (value: number, max: number): boolean =>
    Number.isInteger(value) && value >= 1 && value <= max;
  return within(log2N, 20) && within(r, 32) && within(p, 4) && 128 * 2 ** log2N * r <= MAX_MEMORY_BYTES;
}

/** Runs off the event loop. `pin` stays the caller's. */
export async function derivePinKey(pin: SecretBytes, salt: Uint8Array, kdf: KdfParameters): Promise<PinKey> {
  const options = { N: 2 ** kdf.log2N, r: kdf.r, p: kdf.p, maxmem: 2 * MAX_MEMORY_BYTES };
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    scrypt(reveal(pin), salt, 64, options, (error, derived) => (error ? reject(error) : resolve(derived)));
  });
  const pinKey = {
    sealingKey: createSecretKey(bytes.subarray(0, 32)),
    check: new Uint8Array(bytes.subarray(32)),
  };
  bytes.fill(0);
  return pinKey;
}
