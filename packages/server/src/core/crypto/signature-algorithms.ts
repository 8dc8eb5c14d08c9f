import { constants, createPrivateKey, createPublicKey, generateKeyPair, sign, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { RsaHash, RsaScheme } from "./rsa-digest.ts";
import { DIGEST_BYTES, signDigest, verifyDigest } from "./rsa-digest.ts";

/**
 * The algorithm table for signatures: which key signs how. Keys: P-256 and P-384 (FIPS 186-5), RSA-3072 with exponent
 * 65537 (RFC 8017), Ed25519 (RFC 8032). ECDSA signatures are DER (RFC 3279 §2.2.3), those of RSA 384 bytes, those of
 * Ed25519 64. PSS has a salt as long as its hash (RFC 8017 §9.1) and MGF1 with the same hash. Ed25519 is the pure form.
 * An unknown name is a refusal.
 *
 * RSA also signs a digest that the caller computed. The others do not: Ed25519 has no such form, and node:crypto has no
 * ECDSA without its hash.
 */
export type SigningSpec = "EC_P256" | "EC_P384" | "RSA_3072" | "ED25519";

export type SignatureAlgorithm =
  | "ECDSA_SHA_256"
  | "ECDSA_SHA_384"
  | "RSASSA_PSS_SHA_256"
  | "RSASSA_PSS_SHA_384"
  | "RSASSA_PSS_SHA_512"
  | "RSASSA_PKCS1_V1_5_SHA_256"
  | "RSASSA_PKCS1_V1_5_SHA_384"
  | "RSASSA_PKCS1_V1_5_SHA_512"
  | "ED25519";

interface AlgorithmRow {
  readonly spec: SigningSpec;
  readonly hash: "sha256" | "sha384" | "sha512" | null;
  /** Options of node:crypto. */
  readonly padding?: { readonly padding: number; readonly saltLength?: number };
  /** RFC 7518 §3.1, RFC 8037 §3.1. */
  readonly jose: string;
}

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
const PKCS1 = { padding: constants.RSA_PKCS1_PADDING };

const SIGNATURE_ALGORITHMS = {
  ECDSA_SHA_256: { spec: "EC_P256", hash: "sha256", jose: "ES256" },
  ECDSA_SHA_384: { spec: "EC_P384", hash: "sha384", jose: "ES384" },
  RSASSA_PSS_SHA_256: { spec: "RSA_3072", hash: "sha256", padding: PSS, jose: "PS256" },
  RSASSA_PSS_SHA_384: { spec: "RSA_3072", hash: "sha384", padding: PSS, jose: "PS384" },
  RSASSA_PSS_SHA_512: { spec: "RSA_3072", hash: "sha512", padding: PSS, jose: "PS512" },
  RSASSA_PKCS1_V1_5_SHA_256: { spec: "RSA_3072", hash: "sha256", padding: PKCS1, jose: "RS256" },
  RSASSA_PKCS1_V1_5_SHA_384: { spec: "RSA_3072", hash: "sha384", padding: PKCS1, jose: "RS384" },
  RSASSA_PKCS1_V1_5_SHA_512: { spec: "RSA_3072", hash: "sha512", padding: PKCS1, jose: "RS512" },
  ED25519: { spec: "ED25519", hash: null, jose: "EdDSA" },
} as const satisfies Record<SignatureAlgorithm, AlgorithmRow>;

/** Of each kind of key: how it is made, and how one of it is known again. */
const SIGNING_SPECS = {
  EC_P256: {
    generate: ["ec", { namedCurve: "prime256v1" }],
    isOne: (key: KeyObject) => key.asymmetricKeyDetails?.namedCurve === "prime256v1",
  },
  EC_P384: {
    generate: ["ec", { namedCurve: "secp384r1" }],
    isOne: (key: KeyObject) => key.asymmetricKeyDetails?.namedCurve === "secp384r1",
  },
  RSA_3072: {
    generate: ["rsa", { modulusLength: 3072 }],
    isOne: (key: KeyObject) =>
      key.asymmetricKeyType === "rsa" && key.asymmetricKeyDetails?.modulusLength === 3072,
  },
  ED25519: {
    generate: ["ed25519", {}],
    isOne: (key: KeyObject) => key.asymmetricKeyType === "ed25519",
  },
} as const satisfies Record<
  SigningSpec,
  { readonly generate: readonly [string, object]; readonly isOne: (key: KeyObject) => boolean }
>;

/** Every kind of key that signs. */
export function signingSpecs(): readonly SigningSpec[] {
  return Object.keys(SIGNING_SPECS) as SigningSpec[];
}

export function isSigningSpec(spec: string): spec is SigningSpec {
  return Object.hasOwn(SIGNING_SPECS, spec);
}

/** What a key of this kind signs with, the usual one first. */
export function algorithmsOf(spec: SigningSpec): readonly SignatureAlgorithm[] {
  const names = Object.keys(SIGNATURE_ALGORITHMS) as SignatureAlgorithm[];
  return names.filter((name) => SIGNATURE_ALGORITHMS[name].spec === spec);
}

/** The JOSE name of the usual algorithm of a kind of key, where it has only one. */
export function joseNameOf(spec: SigningSpec): string | undefined {
  const [only, ...others] = algorithmsOf(spec);
  return only && others.length === 0 ? SIGNATURE_ALGORITHMS[only].jose : undefined;
}

/** A new key pair: DER SubjectPublicKeyInfo, and PKCS#8 in DER, which the caller wipes. RSA takes its time, elsewhere. */
export function generateSigningKey(
  spec: SigningSpec,
): Promise<{ readonly publicKey: Uint8Array; readonly pkcs8: Uint8Array }> {
  const [type, options] = SIGNING_SPECS[spec].generate;
  return new Promise((resolve, reject) => {
    const encoding = {
      publicKeyEncoding: { format: "der", type: "spki" },
      privateKeyEncoding: { format: "der", type: "pkcs8" },
    } as const;
    const done = (error: Error | null, publicKey: Buffer, privateKey: Buffer): void => {
      if (error) reject(error);
      else resolve({ publicKey: Uint8Array.from(publicKey), pkcs8: privateKey });
    };
    if (type === "ec") generateKeyPair(type, { ...options, ...encoding }, done);
    else if (type === "rsa") generateKeyPair(type, { ...options, ...encoding }, done);
    else generateKeyPair(type, encoding, done);
  });
}

/** The private key in `pkcs8`, which stays the caller's; "refused" for what is no key of this kind. */
export function readSigningKey(spec: SigningSpec, pkcs8: Uint8Array): KeyObject | "refused" {
  try {
    const key = createPrivateKey({ key: bufferOf(pkcs8), format: "der", type: "pkcs8" });
    return SIGNING_SPECS[spec].isOne(key) ? key : "refused";
  } catch {
    // Not PKCS#8: node:crypto has several codes for that, and every one of them means it.
    return "refused";
  }
}

/** Whether what is signed is a message, or the digest of one that the caller computed with the algorithm's hash. */
export type MessageType = "RAW" | "DIGEST";

/** Why `message` cannot be signed as this type, in a clause; undefined when it can. */
export function messageRefusal(
  algorithm: SignatureAlgorithm,
  type: MessageType,
  message: Uint8Array,
): string | undefined {
  if (type === "RAW") return undefined;
  const rsa = rsaOf(algorithm);
  if (!rsa) return `${algorithm} signs messages and no digests`;
  const lengthBytes = DIGEST_BYTES[rsa.hash];
  return message.byteLength === lengthBytes ? undefined : `a digest of ${rsa.hash} has ${lengthBytes} bytes`;
}

function rsaOf(
  algorithm: SignatureAlgorithm,
): { readonly hash: RsaHash; readonly scheme: RsaScheme } | undefined {
  const { spec, hash, padding }: AlgorithmRow = SIGNATURE_ALGORITHMS[algorithm];
  if (spec !== "RSA_3072" || hash === null) return undefined;
  return { hash, scheme: padding === PSS ? "pss" : "pkcs1" };
}

/** The signature of `message`. The caller has checked that the algorithm is one of the key's kind, and messageRefusal. */
export async function signMessage(
  algorithm: SignatureAlgorithm,
  key: KeyObject,
  message: Uint8Array,
  type: MessageType = "RAW",
): Promise<Uint8Array> {
  const row: AlgorithmRow = SIGNATURE_ALGORITHMS[algorithm];
  const rsa = type === "DIGEST" ? rsaOf(algorithm) : undefined;
  if (rsa) return signDigest(rsa.scheme, rsa.hash, key, message);
  return await new Promise((resolve, reject) => {
    sign(row.hash, message, { key, ...row.padding }, (error, signature) => {
      if (error) reject(error);
      else resolve(signature);
    });
  });
}

/** Whether `signature` is one of `message` under the public key (DER SubjectPublicKeyInfo). */
export async function verifyMessage(
  algorithm: SignatureAlgorithm,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  type: MessageType = "RAW",
): Promise<boolean> {
  const row: AlgorithmRow = SIGNATURE_ALGORITHMS[algorithm];
  const key = createPublicKey({ key: bufferOf(publicKey), format: "der", type: "spki" });
  const rsa = type === "DIGEST" ? rsaOf(algorithm) : undefined;
  if (rsa) return verifyDigest(rsa.scheme, rsa.hash, key, message, signature);
  return await new Promise((resolve, reject) => {
    verify(row.hash, message, { key, ...row.padding }, signature, (error, valid) => {
      if (error) reject(error);
      else resolve(valid);
    });
  });
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
