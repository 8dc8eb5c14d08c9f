import { createHash, timingSafeEqual } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { TAG_BYTES } from "../../core/crypto/gcm.ts";
import { PAYLOAD_SUITES, PayloadKey } from "../../core/crypto/payload-suite.ts";
import { randomNonce } from "../../core/crypto/random.ts";
import { Failure } from "../../core/errors.ts";
import type { SecretBytes } from "../../core/secret/secret-bytes.ts";
import type { KdfParameters } from "./pin-key.ts";
import { derivePinKey, isKdfAcceptable } from "./pin-key.ts";

/**
 * The sealed file of a software unit:
 *   header  magic "CLVGUNIT" (8) ‖ format 1 ‖ KDF 1 (scrypt) ‖ log2N ‖ r ‖ p ‖ salt (32) ‖ PIN check (32)
 *           ‖ SHA-256 of the header up to here (32)
 *   state   nonce (16) ‖ ciphertext ‖ tag (16): payload suite 1 under the sealing key, the header as AAD
 * Which failure it is:
 *   1. anything wrong with the header's form, bounds or checksum: `unit-file-tampered`, before the KDF runs;
 *   2. the PIN check differs: `unit-pin-wrong`;
 *   3. the state does not open: `unit-file-tampered`.
 * The checksum only tells accidents from wrong PINs: who rewrites the header on purpose can make any PIN wrong.
 */
const MAGIC = Buffer.from("CLVGUNIT", "latin1");
const FORMAT = 1;
const KDF_SCRYPT = 1;
const SALT_AT = 13;
const CHECK_AT = SALT_AT + 32;
const CHECKSUM_AT = CHECK_AT + 32;
const HEADER_BYTES = CHECKSUM_AT + 32;
const SUITE = PAYLOAD_SUITES[1];

export const MAX_FILE_BYTES = 1024 * 1024;

/** What a unit keeps in memory to write its file again, and to read one that someone put in its place. */
export interface Seal {
  readonly header: Uint8Array;
  readonly sealingKey: KeyObject;
}

export async function newSeal(pin: SecretBytes, kdf: KdfParameters): Promise<Seal> {
  if (pin.lengthBytes === 0)
    throw new Failure("invalid-request", "the PIN of a crypto unit is not empty", { field: "pin" });
  if (!isKdfAcceptable(kdf))
    throw new Failure("invalid-request", "the KDF parameters are out of bounds", { field: "kdf" });
  const salt = randomNonce(32);
  const { sealingKey, check } = await derivePinKey(pin, salt, kdf);
  const header = new Uint8Array(HEADER_BYTES);
  header.set(MAGIC);
  header.set([FORMAT, KDF_SCRYPT, kdf.log2N, kdf.r, kdf.p], MAGIC.byteLength);
  header.set(salt, SALT_AT);
  header.set(check, CHECK_AT);
  header.set(checksum(header), CHECKSUM_AT);
  return { header, sealingKey };
}

/** The seal of a file that exists. @throws Failure `unit-file-tampered`, `unit-pin-wrong`. */
export async function sealOf(file: Uint8Array, pin: SecretBytes): Promise<Seal> {
  const header = Uint8Array.from(file.subarray(0, HEADER_BYTES));
  if (file.byteLength < HEADER_BYTES + SUITE.nonceBytes + TAG_BYTES) refuse("it is too short");
  if (!MAGIC.equals(header.subarray(0, MAGIC.byteLength))) refuse("it does not begin as one");
  if (!timingSafeEqual(checksum(header), header.subarray(CHECKSUM_AT)))
    refuse("the checksum of its header differs");
  const [format, kdfNumber, log2N = 0, r = 0, p = 0] = header.subarray(MAGIC.byteLength, SALT_AT);
  if (format !== FORMAT || kdfNumber !== KDF_SCRYPT) refuse("this release does not know its format");
  const kdf = { log2N, r, p };
  if (!isKdfAcceptable(kdf)) refuse("its KDF parameters are out of bounds");
  const { sealingKey, check } = await derivePinKey(pin, header.subarray(SALT_AT, CHECK_AT), kdf);
  if (!timingSafeEqual(check, header.subarray(CHECK_AT, CHECKSUM_AT))) throw new Failure("unit-pin-wrong");
  return { header, sealingKey };
}

/** The whole file with `state`, which stays the caller's, inside. */
export function sealState(seal: Seal, state: Uint8Array): Uint8Array {
  const { nonce, sealed } = SUITE.seal(new PayloadKey(seal.sealingKey), state, seal.header);
  return Buffer.concat([seal.header, nonce, sealed]);
}

/** The state inside `file`, which the caller wipes. @throws Failure `unit-file-tampered`, also for a file of another seal. */
export function openState(seal: Seal, file: Uint8Array): Uint8Array {
  const nonceEnd = HEADER_BYTES + SUITE.nonceBytes;
  const message = { nonce: file.subarray(HEADER_BYTES, nonceEnd), sealed: file.subarray(nonceEnd) };
  const sameHeader = Buffer.compare(seal.header, file.subarray(0, HEADER_BYTES)) === 0;
  const state = sameHeader ? SUITE.open(new PayloadKey(seal.sealingKey), message, seal.header) : "refused";
  if (state === "refused") refuse("its state does not open");
  return state;
}

function checksum(header: Uint8Array): Uint8Array {
  return createHash("sha256").update(header.subarray(0, CHECKSUM_AT)).digest();
}

function refuse(detail: string): never {
  throw new Failure("unit-file-tampered", `the sealed file is not as it was written: ${detail}`);
}
