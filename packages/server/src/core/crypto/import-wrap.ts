import { constants, createPrivateKey, createSecretKey, generateKeyPair, privateDecrypt } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { unwrapKwp } from "./aes-kwp.ts";

/**
 * The algorithm table for material on its way in: how a caller may wrap it for the public key of an import token. RSA-3072,
 * OAEP with SHA-256, MGF1 with SHA-256 and an empty label (RFC 8017 §7.1).
 *
 * - RSAES_OAEP_SHA_256: the material itself.
 * - RSA_AES_KEY_WRAP_SHA_256: an AES-256 key of the caller's, and the material wrapped by that with KWP (RFC 5649)
 *   behind it: CKM_RSA_AES_KEY_WRAP of PKCS#11 v2.40 §2.1.21.
 *
 * Whatever does not fit is one refusal: OAEP must not be an oracle.
 */
export type ImportAlgorithm = "RSAES_OAEP_SHA_256" | "RSA_AES_KEY_WRAP_SHA_256";

const MODULUS_BITS = 3072;
const MODULUS_BYTES = MODULUS_BITS / 8;
const AES_256_BYTES = 32;

type Unwrap = (privateKey: KeyObject, wrapped: Uint8Array) => Uint8Array | "refused";

const IMPORT_ALGORITHMS = {
  RSAES_OAEP_SHA_256: decryptOaep,
  RSA_AES_KEY_WRAP_SHA_256: (privateKey, wrapped) => {
    const aesKey = decryptOaep(privateKey, wrapped.subarray(0, MODULUS_BYTES));
    if (aesKey === "refused") return "refused";
    const key = aesKey.byteLength === AES_256_BYTES ? createSecretKey(aesKey) : undefined;
    aesKey.fill(0);
    return key ? unwrapKwp(key, wrapped.subarray(MODULUS_BYTES)) : "refused";
  },
} as const satisfies Record<ImportAlgorithm, Unwrap>;

/** Every way of wrapping that there is. */
export function importAlgorithms(): readonly ImportAlgorithm[] {
  return Object.keys(IMPORT_ALGORITHMS) as ImportAlgorithm[];
}

/** The material inside `wrapped`, which the caller wipes, or "refused", whatever it is that does not fit. */
export function unwrapImport(
  algorithm: ImportAlgorithm,
  privateKey: KeyObject,
  wrapped: Uint8Array,
): Uint8Array | "refused" {
  return Object.hasOwn(IMPORT_ALGORITHMS, algorithm)
    ? IMPORT_ALGORITHMS[algorithm](privateKey, wrapped)
    : "refused";
}

/** A new key pair for one import: DER SubjectPublicKeyInfo, and PKCS#8, which the caller wipes. */
export function generateImportKey(): Promise<{ readonly publicKey: Uint8Array; readonly pkcs8: Uint8Array }> {
  return new Promise((resolve, reject) => {
    const encoding = {
      publicKeyEncoding: { format: "der", type: "spki" },
      privateKeyEncoding: { format: "der", type: "pkcs8" },
    } as const;
    generateKeyPair("rsa", { modulusLength: MODULUS_BITS, ...encoding }, (error, publicKey, privateKey) => {
      if (error) reject(error);
      else resolve({ publicKey: Uint8Array.from(publicKey), pkcs8: privateKey });
    });
  });
}

/** The private key in `pkcs8`, which stays the caller's; "refused" for what is no RSA key of that size. */
export function readImportKey(pkcs8: Uint8Array): KeyObject | "refused" {
  let key: KeyObject;
  try {
    key = createPrivateKey({
      key: Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.byteLength),
      format: "der",
      type: "pkcs8",
    });
  } catch {
    // Not PKCS#8: node:crypto has several codes for that, and every one of them means it.
    return "refused";
  }
  const fits = key.asymmetricKeyType === "rsa" && key.asymmetricKeyDetails?.modulusLength === MODULUS_BITS;
  return fits ? key : "refused";
}

function decryptOaep(privateKey: KeyObject, wrapped: Uint8Array): Uint8Array | "refused" {
  if (wrapped.byteLength !== MODULUS_BYTES) return "refused";
  try {
    const key = { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" };
    return privateDecrypt(key, wrapped);
  } catch {
    // With the length checked the only error left is OAEP's one decryption error (RFC 8017 §7.1.2, step 3g).
    return "refused";
  }
}
