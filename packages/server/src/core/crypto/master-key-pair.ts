import { createSecretKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { randomSecret } from "./random.ts";

/** What a register holds: the AES-256 wrapping key and the HMAC-SHA-256 key, made and moved only together. */
export interface MasterKeyPair {
  readonly wrapping: KeyObject;
  readonly mac: KeyObject;
}

export const MASTER_KEY_PAIR_BYTES = 64;

export function generateMasterKeyPair(): MasterKeyPair {
  const bytes = randomSecret(MASTER_KEY_PAIR_BYTES);
  const pair = masterKeyPairOf(bytes);
  bytes.fill(0);
  return pair;
}

/** The pair in 64 bytes: wrapping key, then MAC key. They stay the caller's, who wipes them. */
export function masterKeyPairOf(bytes: Uint8Array): MasterKeyPair {
  if (bytes.byteLength !== MASTER_KEY_PAIR_BYTES) throw new RangeError("a master key pair has 64 bytes");
  return { wrapping: createSecretKey(bytes.subarray(0, 32)), mac: createSecretKey(bytes.subarray(32)) };
}

/** The 64 bytes of `pair`, which the caller wipes. */
export function masterKeyPairBytes(pair: MasterKeyPair): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(MASTER_KEY_PAIR_BYTES);
  const wrapping = pair.wrapping.export();
  const mac = pair.mac.export();
  bytes.set(wrapping, 0);
  bytes.set(mac, 32);
  wrapping.fill(0);
  mac.fill(0);
  return bytes;
}
