import type pkcs11js from "pkcs11js";
import type { OaepHash } from "../../../core/crypto/master-key-clone.ts";
import { CKG, CKM, CKZ_DATA_SPECIFIED, PARAMETER } from "./cryptoki.ts";
import type { Mechanism } from "./module.ts";
import { asBuffer } from "./module.ts";

/* Mechanisms that take a parameter, in the form of the binding: the probe proves those that are used. */

/** IV of 12 bytes, tag of 16. */
export function aesGcm(iv: Uint8Array, aad: Uint8Array): Mechanism {
  const parameter: pkcs11js.AesGCM = {
    type: PARAMETER.AES_GCM_V240,
    iv: asBuffer(iv),
    ivBits: 96,
    aad: asBuffer(aad),
    tagBits: 128,
  };
  return { mechanism: CKM.AES_GCM, parameter };
}

/** A key that is AES-CBC of `data`, whole blocks, without padding. */
export function aesCbcEncryptData(iv: Uint8Array, data: Uint8Array): Mechanism {
  const parameter: pkcs11js.AesCBC = { type: PARAMETER.AES_CBC, iv: asBuffer(iv), data: asBuffer(data) };
  return { mechanism: CKM.AES_CBC_ENCRYPT_DATA, parameter };
}

const OAEP = {
  sha1: { hashAlg: CKM.SHA_1, mgf: CKG.MGF1_SHA1 },
  sha256: { hashAlg: CKM.SHA256, mgf: CKG.MGF1_SHA256 },
} as const satisfies Record<OaepHash, object>;

/** RSAES-OAEP with this hash, MGF1 with the same one, and an empty label (RFC 8017 §7.1). */
export function rsaOaep(hash: OaepHash): Mechanism {
  const parameter: pkcs11js.RsaOAEP = { type: PARAMETER.RSA_OAEP, ...OAEP[hash], source: CKZ_DATA_SPECIFIED };
  return { mechanism: CKM.RSA_PKCS_OAEP, parameter };
}

const PSS = {
  sha256: { hashAlg: CKM.SHA256, mgf: CKG.MGF1_SHA256, saltLen: 32 },
  sha384: { hashAlg: CKM.SHA384, mgf: CKG.MGF1_SHA384, saltLen: 48 },
  sha512: { hashAlg: CKM.SHA512, mgf: CKG.MGF1_SHA512, saltLen: 64 },
} as const;

/** RSASSA-PSS of a digest, MGF1 with the same hash, salt as long as the hash (RFC 8017 §8.1). */
export function rsaPss(hash: keyof typeof PSS): Mechanism {
  const parameter: pkcs11js.RsaPSS = { type: PARAMETER.RSA_PSS, ...PSS[hash] };
  return { mechanism: CKM.RSA_PKCS_PSS, parameter };
}
