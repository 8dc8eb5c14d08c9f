import { Failure } from "../errors.ts";
import type { KeyId } from "../ids.ts";
import { TAG_BYTES } from "./gcm.ts";
import { isPayloadSuite, PAYLOAD_SUITES } from "./payload-suite.ts";
import type { PayloadSuiteNumber } from "./payload-suite.ts";
import { UUID_BYTES, uuidText, writeUuid } from "./uuid-bytes.ts";

/**
 * The service's self-describing ciphertext (docs/wrapped-key-format.md §6):
 * format 0xC1 ‖ suite ‖ key id (16) ‖ key version (4, big endian) ‖ nonce (as the suite says) ‖ ciphertext ‖ tag (16).
 * The header is not secret and not trusted: it says which key to try, and the AAD binds what it says.
 */
export interface Ciphertext {
  readonly keyId: KeyId;
  /** 1 to 2^32 - 1. */
  readonly keyVersion: number;
  readonly suite: PayloadSuiteNumber;
  readonly nonce: Uint8Array;
  readonly sealed: Uint8Array;
}

const FORMAT = 0xc1;
const KEY_ID_AT = 2;
const KEY_VERSION_AT = KEY_ID_AT + UUID_BYTES;
const NONCE_AT = KEY_VERSION_AT + 4;

export function encodeCiphertext(ciphertext: Ciphertext): Uint8Array<ArrayBuffer> {
  const { keyVersion, nonce, sealed, suite } = ciphertext;
  if (
    !Number.isInteger(keyVersion) ||
    keyVersion < 1 ||
    keyVersion > 0xffffffff ||
    nonce.byteLength !== PAYLOAD_SUITES[suite].nonceBytes
  ) {
    throw new RangeError("not the parts of a ciphertext");
  }
  const sealedAt = NONCE_AT + nonce.byteLength;
  const bytes = Buffer.allocUnsafe(sealedAt + sealed.byteLength);
  bytes[0] = FORMAT;
  bytes[1] = suite;
  writeUuid(ciphertext.keyId, bytes, KEY_ID_AT);
  bytes.writeUInt32BE(keyVersion, KEY_VERSION_AT);
  bytes.set(nonce, NONCE_AT);
  bytes.set(sealed, sealedAt);
  return bytes;
}

/**
 * The parts of a ciphertext; `nonce` and `sealed` are views of `bytes`.
 * @throws Failure `ciphertext-refused` for whatever is not one: too short, another format, an unknown suite, version 0.
 */
export function parseCiphertext(bytes: Uint8Array): Ciphertext {
  const suite = bytes[1] ?? 0;
  if (bytes[0] !== FORMAT || !isPayloadSuite(suite)) refuse();
  const sealedAt = NONCE_AT + PAYLOAD_SUITES[suite].nonceBytes;
  if (bytes.byteLength < sealedAt + TAG_BYTES) refuse();
  const keyVersion = viewOf(bytes).getUint32(KEY_VERSION_AT);
  if (keyVersion === 0) refuse();
  return {
    keyId: uuidText(bytes, KEY_ID_AT) as KeyId,
    keyVersion,
    suite,
    nonce: bytes.subarray(NONCE_AT, sealedAt),
    sealed: bytes.subarray(sealedAt),
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function refuse(): never {
  throw new Failure("ciphertext-refused");
}
