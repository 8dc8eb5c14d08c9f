import { createPublicKey } from "node:crypto";
import { CKA, CKK, CKM } from "./cryptoki.ts";
import type { Attributes } from "./module.ts";

/** Reads an attribute (CKA) of a key. */
type Read = (attribute: number) => Buffer;

/** A kind of key pair: how a token makes one, and how one of it is known again. */
export interface KeyPairKind {
  /** CKK. */
  readonly keyType: number;
  /** Mechanism that generates a pair. */
  readonly generation: number;
  /** Attributes that say what kind of pair is to be made. */
  readonly parameters: Attributes;
  /** Of a private key of this type. */
  isOne(privateKey: Read): boolean;
  /** DER SubjectPublicKeyInfo. */
  publicKey(publicKey: Read): Uint8Array;
}

const RSA_3072_BITS = 3072;

export const RSA_3072: KeyPairKind = {
  keyType: CKK.RSA,
  generation: CKM.RSA_PKCS_KEY_PAIR_GEN,
  parameters: { MODULUS_BITS: RSA_3072_BITS, PUBLIC_EXPONENT: Buffer.from([1, 0, 1]) },
  isOne: (read) => bitsOf(read(CKA.MODULUS)) === RSA_3072_BITS,
  publicKey: (read) =>
    spki({ kty: "RSA", n: base64url(read(CKA.MODULUS)), e: base64url(read(CKA.PUBLIC_EXPONENT)) }),
};

/** DER of the names of the curves: RFC 5480 §2.1.1.1. */
export const EC_P256 = ec("P-256", 32, "06082a8648ce3d030107");
export const EC_P384 = ec("P-384", 48, "06052b81040022");

function ec(curve: string, coordinateBytes: number, name: string): KeyPairKind {
  const parameters = Buffer.from(name, "hex");
  return {
    keyType: CKK.EC,
    generation: CKM.EC_KEY_PAIR_GEN,
    parameters: { EC_PARAMS: parameters },
    isOne: (read) => read(CKA.EC_PARAMS).equals(parameters),
    publicKey: (read) => {
      // 04, x, y; in a DER OCTET STRING, which some tokens leave out.
      const coordinates = read(CKA.EC_POINT).subarray(-2 * coordinateBytes);
      const x = base64url(coordinates.subarray(0, coordinateBytes));
      return spki({ kty: "EC", crv: curve, x, y: base64url(coordinates.subarray(coordinateBytes)) });
    },
  };
}

/** @throws an Error of node:crypto for what is no public key, as a point that is not on its curve. */
function spki(jwk: Readonly<Record<string, string>>): Uint8Array {
  return createPublicKey({ key: jwk, format: "jwk" }).export({ format: "der", type: "spki" });
}

function base64url(bytes: Buffer): string {
  return bytes.toString("base64url");
}

/** Length of an unsigned number, big endian. */
function bitsOf(bytes: Buffer): number {
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? 0 : 8 * (bytes.byteLength - first) - Math.clz32(bytes[first] ?? 0) + 24;
}
