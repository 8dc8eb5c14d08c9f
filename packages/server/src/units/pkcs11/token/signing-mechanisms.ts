import { hash } from "node:crypto";
import type { RsaHash } from "../../../core/crypto/rsa-digest.ts";
import { DIGEST_BYTES, DIGEST_INFO } from "../../../core/crypto/rsa-digest.ts";
import type { SignatureAlgorithm } from "../../../core/crypto/signature-algorithms.ts";
import { CKG, CKM, PARAMETER } from "./cryptoki.ts";
import type { Mechanism } from "./module.ts";

/** How a token signs by an algorithm of core/crypto/signature-algorithms.ts: digests are made outside, where it has one. */
export interface SigningMechanism {
  readonly mechanism: Mechanism;
  /** What the mechanism is given for a message. */
  readonly input: (message: Uint8Array) => Uint8Array;
}

/** ECDSA signatures come as r ‖ s (PKCS#11 v3.1, §6.3.1), and not as DER. */
export const SIGNING_MECHANISMS = {
  ECDSA_SHA_256: { mechanism: CKM.ECDSA, input: (message) => digest("sha256", message) },
  ECDSA_SHA_384: { mechanism: CKM.ECDSA, input: (message) => digest("sha384", message) },
  RSASSA_PSS_SHA_256: pss("sha256", CKM.SHA256, CKG.MGF1_SHA256),
  RSASSA_PSS_SHA_384: pss("sha384", CKM.SHA384, CKG.MGF1_SHA384),
  RSASSA_PSS_SHA_512: pss("sha512", CKM.SHA512, CKG.MGF1_SHA512),
  RSASSA_PKCS1_V1_5_SHA_256: pkcs1("sha256"),
  RSASSA_PKCS1_V1_5_SHA_384: pkcs1("sha384"),
  RSASSA_PKCS1_V1_5_SHA_512: pkcs1("sha512"),
  ED25519: { mechanism: CKM.EDDSA, input: (message) => message },
} as const satisfies Record<SignatureAlgorithm, SigningMechanism>;

function pss(name: RsaHash, hashAlg: number, mgf: number): SigningMechanism {
  const parameter = { type: PARAMETER.RSA_PSS, hashAlg, mgf, saltLen: DIGEST_BYTES[name] };
  return {
    mechanism: { mechanism: CKM.RSA_PKCS_PSS, parameter },
    input: (message) => digest(name, message),
  };
}

function pkcs1(name: RsaHash): SigningMechanism {
  return {
    mechanism: CKM.RSA_PKCS,
    input: (message) => Buffer.concat([DIGEST_INFO[name], digest(name, message)]),
  };
}

function digest(name: RsaHash, message: Uint8Array): Buffer {
  return hash(name, message, "buffer");
}
