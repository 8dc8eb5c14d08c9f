import type { RsaHash } from "../../../core/crypto/rsa-digest.ts";
import { digestInfo } from "../../../core/crypto/rsa-digest.ts";
import type { SignatureAlgorithm } from "../../../core/crypto/signature-algorithms.ts";
import { CKM } from "./cryptoki.ts";
import { ecdsaDer } from "./ecdsa-der.ts";
import { rsaPss } from "./mechanisms.ts";
import type { Mechanism } from "./module.ts";

/** How a token signs by an algorithm of core/crypto/signature-algorithms.ts. */
export interface SigningMechanism {
  /** Of the digest, which is made outside, by whoever has the message; undefined: the token is given the message. */
  readonly hash: RsaHash | undefined;
  readonly mechanism: Mechanism;
  /** What the mechanism signs, of a digest or message. */
  readonly input: (digest: Uint8Array) => Uint8Array;
  /** The signature in the form of the algorithm, of what the mechanism gives. */
  readonly output: (signature: Uint8Array) => Uint8Array;
}

/** The one table of what is used and what the probe proves. */
export const SIGNING_MECHANISMS: Readonly<Record<SignatureAlgorithm, SigningMechanism>> = {
  ECDSA_SHA_256: ecdsa("sha256"),
  ECDSA_SHA_384: ecdsa("sha384"),
  RSASSA_PSS_SHA_256: pss("sha256"),
  RSASSA_PSS_SHA_384: pss("sha384"),
  RSASSA_PSS_SHA_512: pss("sha512"),
  RSASSA_PKCS1_V1_5_SHA_256: pkcs1("sha256"),
  RSASSA_PKCS1_V1_5_SHA_384: pkcs1("sha384"),
  RSASSA_PKCS1_V1_5_SHA_512: pkcs1("sha512"),
  ED25519: { hash: undefined, mechanism: CKM.EDDSA, input: asItIs, output: asItIs },
};

/** A token gives r ‖ s (PKCS#11 v3.1, §6.3.1), and not DER. */
function ecdsa(hash: RsaHash): SigningMechanism {
  return { hash, mechanism: CKM.ECDSA, input: asItIs, output: ecdsaDer };
}

function pss(hash: RsaHash): SigningMechanism {
  return { hash, mechanism: rsaPss(hash), input: asItIs, output: asItIs };
}

function pkcs1(hash: RsaHash): SigningMechanism {
  return { hash, mechanism: CKM.RSA_PKCS, input: (digest) => digestInfo(hash, digest), output: asItIs };
}

function asItIs(bytes: Uint8Array): Uint8Array {
  return bytes;
}
