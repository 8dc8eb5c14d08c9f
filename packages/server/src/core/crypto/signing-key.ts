import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { SecretBytes, reveal } from "../secret/secret-bytes.ts";
import { fingerprint } from "./fingerprint.ts";

/** An Ed25519 key (RFC 8032) that signs heads of the audit log. It is kept by the process as a KeyObject. */
export interface SigningKey {
  /** SHA-256 of the public key in DER, 64 hex digits. */
  readonly fingerprint: string;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** Signature of "claviger audit head 1" ‖ text, 64 bytes. */
  sign(text: string): Uint8Array;
  /** Signature of "claviger audit key 1" ‖ the public key (DER) of the key that will follow this one, 64 bytes. */
  introduce(publicKey: Uint8Array): Uint8Array;
}

const HEAD_LABEL = "claviger audit head 1";
const KEY_LABEL = "claviger audit key 1";

/** A new private key (PKCS#8, DER). Whoever asks for it wipes it. */
export function newSigningKey(): SecretBytes {
  const { privateKey } = generateKeyPairSync("ed25519");
  return new SecretBytes(privateKey.export({ format: "der", type: "pkcs8" }));
}

/** Has a private key sealed by `seal`, which must not keep the bytes. */
export function sealingSigningKey<Sealed>(
  pkcs8: SecretBytes,
  seal: (bytes: Uint8Array) => Promise<Sealed>,
): Promise<Sealed> {
  return seal(reveal(pkcs8));
}

/** @throws an Error of node:crypto for what is no private key. */
export function signingKeyOf(pkcs8: SecretBytes): SigningKey {
  const bytes = reveal(pkcs8);
  const privateKey = createPrivateKey({
    key: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    format: "der",
    type: "pkcs8",
  });
  const publicKey = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return {
    fingerprint: fingerprint(publicKey),
    publicKey,
    sign: (text) => sign(null, Buffer.from(HEAD_LABEL + text, "utf8"), privateKey),
    introduce: (next) => sign(null, Buffer.concat([Buffer.from(KEY_LABEL, "utf8"), next]), privateKey),
  };
}

/** PEM of public keys, one behind the other: what auditors keep. */
export function publicKeysPem(keys: readonly { readonly publicKey: Uint8Array }[]): string {
  return keys
    .map(({ publicKey }) =>
      createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" }).export({
        format: "pem",
        type: "spki",
      }),
    )
    .join("");
}
