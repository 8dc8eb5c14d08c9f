import { constants, createHmac, createSecretKey, privateDecrypt, publicEncrypt } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { CloneInTwo, CloneRoute, OaepHash } from "../../core/crypto/master-key-clone.ts";
import {
  cloneProofInput,
  cloneRefused,
  readCloneInTwo,
  writeCloneInTwo,
} from "../../core/crypto/master-key-clone.ts";
import type { MasterKeyPair } from "../../core/crypto/master-key-pair.ts";
import { timingSafeEqual } from "../../core/crypto/timing-safe-equal.ts";
import type { RegisterName } from "../../core/unit/registers.ts";

/*
 * Form 2 of a master key on its way (docs/wrapped-key-format.md §10), as tokens have it. With it a software unit and a token
 * are units of one group, which is how a group moves into an HSM.
 */

const KEY_BYTES = 32;

/** A software unit counts no generations; the order of its registers is all that a token needs to know of them. */
const GENERATIONS: Readonly<Record<RegisterName, number>> = { OLD: 1, CURRENT: 2, NEW: 3 };

export function wrapInTwo(
  pair: MasterKeyPair,
  key: KeyObject,
  route: CloneRoute,
  hash: OaepHash,
): Uint8Array {
  const wrap = (half: KeyObject): Uint8Array => {
    const bytes = half.export();
    const wrapped = publicEncrypt({ key, ...oaepBy(hash) }, bytes);
    bytes.fill(0);
    return wrapped;
  };
  const generation = GENERATIONS[route.request.register];
  const clone = { hash, generation, keys: [wrap(pair.wrapping), wrap(pair.mac)] } as const;
  return writeCloneInTwo(clone, proofOf(pair.mac, route, clone));
}

/** @throws Failure `ciphertext-refused` when it was not made for this route. */
export function unwrapInTwo(
  wrapped: Uint8Array,
  key: KeyObject,
  route: CloneRoute,
  hash: OaepHash,
): MasterKeyPair {
  const { clone, proof } = readCloneInTwo(wrapped, hash);
  const [wrapping, mac] = clone.keys.map((each) => unwrap(each, key, hash));
  if (!wrapping || !mac || !timingSafeEqual(proofOf(mac, route, clone), proof)) throw cloneRefused();
  return { wrapping, mac };
}

function unwrap(wrapped: Uint8Array, key: KeyObject, hash: OaepHash): KeyObject {
  let bytes: Buffer;
  try {
    bytes = privateDecrypt({ key, ...oaepBy(hash) }, wrapped);
  } catch (cause) {
    throw cloneRefused(cause);
  }
  try {
    if (bytes.byteLength !== KEY_BYTES) throw cloneRefused();
    return createSecretKey(bytes);
  } finally {
    bytes.fill(0);
  }
}

function proofOf(mac: KeyObject, route: CloneRoute, clone: CloneInTwo): Uint8Array {
  return createHmac("sha256", mac).update(cloneProofInput(route, clone)).digest();
}

/** MGF1 has the hash of OAEP. */
function oaepBy(oaepHash: OaepHash): { readonly padding: number; readonly oaepHash: OaepHash } {
  return { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash };
}
