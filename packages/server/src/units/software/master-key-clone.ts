import { constants, createPublicKey, privateDecrypt, publicEncrypt } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { CloneRoute } from "../../core/crypto/master-key-clone.ts";
import { cloneRefused, OAEP_HASH_OF_FORM_2 } from "../../core/crypto/master-key-clone.ts";
import type { MasterKeyPair } from "../../core/crypto/master-key-pair.ts";
import {
  MASTER_KEY_PAIR_BYTES,
  masterKeyPairBytes,
  masterKeyPairOf,
} from "../../core/crypto/master-key-pair.ts";
import { verificationPattern } from "../../core/crypto/verification-pattern.ts";
import { Failure } from "../../core/errors.ts";
import type { Filled } from "../../core/unit/registers.ts";
import { FieldWriter } from "../../core/fields.ts";
import { unwrapInTwo, wrapInTwo } from "./master-key-clone-in-two.ts";

/*
 * A master key on its way from one unit to another, in the form that the request names. Form 1 is RSAES-OAEP with SHA-256
 * (RFC 8017 §7.1) of the 64 bytes of the pair. The OAEP label binds it to sender, recipient, type, register and VP: nothing
 * else can be made of it. OAEP does not prove the sender; what is imported is proven by its VP, which the officer's request
 * names.
 */

export const CLONE_KEY_BITS = 3072;

/** `publicKey` is the DER SubjectPublicKeyInfo that is pinned for the recipient. */
export function wrapForPeer(pair: MasterKeyPair, publicKey: Uint8Array, route: CloneRoute): Uint8Array {
  const key = readPublicKey(publicKey);
  const { form } = route.request;
  if (form !== "1") return wrapInTwo(pair, key, route, OAEP_HASH_OF_FORM_2[form]);
  const bytes = masterKeyPairBytes(pair);
  const wrapped = publicEncrypt({ key, ...oaep(route) }, bytes);
  bytes.fill(0);
  return wrapped;
}

/** @throws Failure `ciphertext-refused` when it was not made for this route, `register-pattern-mismatch` for another key. */
export function unwrapFromPeer(
  wrapped: Uint8Array,
  privateKey: KeyObject,
  route: CloneRoute,
): Filled<MasterKeyPair> {
  const { type, vp, form } = route.request;
  const pair =
    form === "1"
      ? unwrapWhole(wrapped, privateKey, route)
      : unwrapInTwo(wrapped, privateKey, route, OAEP_HASH_OF_FORM_2[form]);
  if (verificationPattern(type, pair) !== vp) {
    throw new Failure(
      "register-pattern-mismatch",
      "the wrapped master key has another pattern than the request names",
    );
  }
  return { vp, pair };
}

/** @throws Failure `invalid-request` for what is not an RSA public key of at least 3072 bits. */
export function readPublicKey(der: Uint8Array): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
  } catch (cause) {
    throw new Failure("invalid-request", "not a DER SubjectPublicKeyInfo", { field: "publicKey", cause });
  }
  if (key.asymmetricKeyType !== "rsa" || (key.asymmetricKeyDetails?.modulusLength ?? 0) < CLONE_KEY_BITS) {
    throw new Failure("invalid-request", `units have RSA keys of ${CLONE_KEY_BITS} bits`, {
      field: "publicKey",
    });
  }
  return key;
}

function unwrapWhole(wrapped: Uint8Array, privateKey: KeyObject, route: CloneRoute): MasterKeyPair {
  const bytes = decryptOaep(wrapped, privateKey, route);
  if (bytes.byteLength !== MASTER_KEY_PAIR_BYTES) {
    bytes.fill(0);
    throw new Failure("ciphertext-refused", "the wrapped master key does not have the length of one");
  }
  const pair = masterKeyPairOf(bytes);
  bytes.fill(0);
  return pair;
}

function decryptOaep(wrapped: Uint8Array, privateKey: KeyObject, route: CloneRoute): Buffer {
  try {
    return privateDecrypt({ key: privateKey, ...oaep(route) }, wrapped);
  } catch (cause) {
    throw cloneRefused(cause);
  }
}

function oaep({ sender, recipient, request }: CloneRoute): {
  padding: number;
  oaepHash: string;
  oaepLabel: Uint8Array;
} {
  const label = new FieldWriter();
  for (const field of [
    "claviger master key clone 1",
    sender,
    recipient,
    request.type,
    request.register,
    request.vp,
  ]) {
    label.text(field);
  }
  return { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256", oaepLabel: label.finish() };
}
