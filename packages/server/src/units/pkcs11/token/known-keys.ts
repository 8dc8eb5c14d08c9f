import { constants, createPublicKey, publicEncrypt } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { OaepHash } from "../../../core/crypto/master-key-clone.ts";
import { CKA, CKM } from "./cryptoki.ts";
import { KEK_IN_USE } from "./key-templates.ts";
import { rsaOaep } from "./mechanisms.ts";
import type { ObjectHandle, Pkcs11Module, Session, Template } from "./module.ts";
import { template, TokenError } from "./module.ts";
import type { KeyPair } from "./proof.ts";
import { elsewhere } from "./proof.ts";

/*
 * How a key whose value is known comes into a token: as it is, or, where the token takes none in clear, by RSA-OAEP for a
 * key pair of its own. Without either nothing can be proved by known answers.
 */
export type KnownKeys = (session: Session, value: Uint8Array, attributes: Template) => ObjectHandle;

/** The module, and a key pair for OAEP that is made only if it is needed. */
interface Token {
  readonly module: Pkcs11Module;
  readonly rsaPair: () => KeyPair;
}

const TRIAL_VALUE = Buffer.alloc(32, 1);

/**
 * The way that works, with a remark on it.
 * @throws TokenError when none does.
 */
export function findKnownKeys(
  { module, rsaPair }: Token,
  session: Session,
): { readonly put: KnownKeys; readonly remark: string } {
  const inClear: KnownKeys = (at, value, attributes) =>
    module.createObject(at, [...attributes, ...template({ VALUE: value })]);
  const byOaep =
    (hash: OaepHash): KnownKeys =>
    (at, value, attributes) => {
      const { publicKey, privateKey } = rsaPair();
      const wrapped = encryptOaep(hash, rsaPublicKey(module, at, publicKey), value);
      return module.unwrap(at, rsaOaep(hash), privateKey, wrapped, attributes);
    };
  const refusal = refusalOf(inClear, session);
  if (!refusal) return { put: inClear, remark: "" };
  const remark = `not in clear (${refusal.rule.name}): wrapped by RSA-OAEP`;
  if (!refusalOf(byOaep("sha256"), session)) return { put: byOaep("sha256"), remark };
  byOaep("sha1")(session, TRIAL_VALUE, KEK_IN_USE);
  return { put: byOaep("sha1"), remark };
}

function refusalOf(put: KnownKeys, session: Session): TokenError | undefined {
  try {
    put(session, TRIAL_VALUE, KEK_IN_USE);
    return undefined;
  } catch (error) {
    if (error instanceof TokenError) return error;
    throw error;
  }
}

export function encryptOaep(oaepHash: OaepHash, key: KeyObject, value: Uint8Array): Buffer {
  return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, value);
}

/** A pair that may do all that is proved of it. 2048 bits: it proves mechanisms, and larger ones take long to make. */
export function generateRsaPair(module: Pkcs11Module, session: Session): KeyPair {
  return module.generateKeyPair(
    session,
    CKM.RSA_PKCS_KEY_PAIR_GEN,
    template({
      TOKEN: false,
      PRIVATE: false,
      MODULUS_BITS: 2048,
      PUBLIC_EXPONENT: Buffer.of(1, 0, 1),
      VERIFY: true,
      WRAP: true,
    }),
    template({ TOKEN: false, PRIVATE: true, SENSITIVE: true, EXTRACTABLE: true, SIGN: true, UNWRAP: true }),
  );
}

export function rsaPublicKey(module: Pkcs11Module, session: Session, publicKey: ObjectHandle): KeyObject {
  const number = (type: number) => module.attribute(session, publicKey, type).toString("base64url");
  const jwk = { kty: "RSA", n: number(CKA.MODULUS), e: number(CKA.PUBLIC_EXPONENT) };
  return elsewhere("an RSA public key", () => createPublicKey({ key: jwk, format: "jwk" }));
}
