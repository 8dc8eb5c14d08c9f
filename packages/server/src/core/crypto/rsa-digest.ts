import { constants, hash, privateEncrypt, publicDecrypt } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { randomNonce } from "./random.ts";
import { timingSafeEqual } from "./timing-safe-equal.ts";

/**
 * RSA signatures of a digest that the caller computed, byte for byte those of its message (RFC 8017 §8). node:crypto signs
 * messages only: here it does the RSA operation, and the encoding is spelled out. Keys have 3072 bits.
 */
export type RsaHash = "sha256" | "sha384" | "sha512";
export type RsaScheme = "pss" | "pkcs1";

const MODULUS_BYTES = 384;

/** RFC 8017 §9.2, note 1: DER of DigestInfo in front of the digest. */
const DIGEST_INFO: Readonly<Record<RsaHash, Buffer>> = {
  sha256: Buffer.from("3031300d060960864801650304020105000420", "hex"),
  sha384: Buffer.from("3041300d060960864801650304020205000430", "hex"),
  sha512: Buffer.from("3051300d060960864801650304020305000440", "hex"),
};

/** DER of DigestInfo: what RSASSA-PKCS1-v1_5 pads and signs. */
export function digestInfo(name: RsaHash, digest: Uint8Array): Uint8Array {
  return Buffer.concat([DIGEST_INFO[name], digest]);
}

export const DIGEST_BYTES: Readonly<Record<RsaHash, number>> = { sha256: 32, sha384: 48, sha512: 64 };

/** The signature of a digest of the hash's length. Some milliseconds of the caller's thread. */
export function signDigest(scheme: RsaScheme, name: RsaHash, key: KeyObject, digest: Uint8Array): Uint8Array {
  const encoded = scheme === "pss" ? encodePss(name, digest) : encodePkcs1(name, digest);
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, encoded);
}

export function verifyDigest(
  scheme: RsaScheme,
  name: RsaHash,
  key: KeyObject,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.byteLength !== MODULUS_BYTES || digest.byteLength !== DIGEST_BYTES[name]) return false;
  let encoded: Uint8Array;
  try {
    encoded = publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature);
  } catch {
    // A number that is not below the modulus (RFC 8017 §5.2.2, step 1); with the length checked there is no other error.
    return false;
  }
  return scheme === "pss"
    ? isPss(name, digest, encoded)
    : timingSafeEqual(encoded, encodePkcs1(name, digest));
}

/** RFC 8017 §9.2. */
function encodePkcs1(name: RsaHash, digest: Uint8Array): Uint8Array {
  const info = digestInfo(name, digest);
  const padding = Buffer.alloc(MODULUS_BYTES - 3 - info.byteLength, 0xff);
  return Buffer.concat([Buffer.of(0, 1), padding, Buffer.of(0), info]);
}

/** RFC 8017 §9.1.1, salt as long as the hash. A modulus of 3072 bits leaves the first bit of the encoding zero. */
function encodePss(name: RsaHash, digest: Uint8Array): Uint8Array {
  const hashBytes = DIGEST_BYTES[name];
  const salt = randomNonce(hashBytes);
  const h = pssHash(name, digest, salt);
  const padding = Buffer.alloc(MODULUS_BYTES - 2 * hashBytes - 2);
  const db = Buffer.concat([padding, Buffer.of(1), salt]);
  const masked = xorMask(db, mgf1(name, h, db.byteLength));
  masked[0] = (masked[0] ?? 0) & 0x7f;
  return Buffer.concat([masked, h, Buffer.of(0xbc)]);
}

/** RFC 8017 §9.1.2, for a salt as long as the hash and no other. */
function isPss(name: RsaHash, digest: Uint8Array, encoded: Uint8Array): boolean {
  const hashBytes = DIGEST_BYTES[name];
  const masked = encoded.subarray(0, MODULUS_BYTES - hashBytes - 1);
  const h = encoded.subarray(masked.byteLength, MODULUS_BYTES - 1);
  if (encoded[MODULUS_BYTES - 1] !== 0xbc || ((masked[0] ?? 0x80) & 0x80) !== 0) return false;
  const db = xorMask(masked, mgf1(name, h, masked.byteLength));
  db[0] = (db[0] ?? 0) & 0x7f;
  const saltAt = db.byteLength - hashBytes;
  if (db.subarray(0, saltAt - 1).some((byte) => byte !== 0) || db[saltAt - 1] !== 1) return false;
  return timingSafeEqual(h, pssHash(name, digest, db.subarray(saltAt)));
}

function pssHash(name: RsaHash, digest: Uint8Array, salt: Uint8Array): Buffer {
  return hash(name, Buffer.concat([Buffer.alloc(8), digest, salt]), "buffer");
}

/** RFC 8017 §B.2.1. */
function mgf1(name: RsaHash, seed: Uint8Array, lengthBytes: number): Buffer {
  const blocks: Buffer[] = [];
  for (let i = 0; i * DIGEST_BYTES[name] < lengthBytes; i++)
    blocks.push(hash(name, Buffer.concat([seed, Buffer.of(0, 0, 0, i)]), "buffer"));
  return Buffer.concat(blocks).subarray(0, lengthBytes);
}

function xorMask(bytes: Uint8Array, mask: Uint8Array): Buffer {
  return Buffer.from(bytes.map((byte, i) => byte ^ (mask[i] ?? 0)));
}
