import { constants, createSecretKey, generateKeyPairSync, hash, privateDecrypt } from "node:crypto";
import { wrapKwp } from "../../../core/crypto/aes-kwp.ts";
import type { ImportAlgorithm } from "../../../core/crypto/import-wrap.ts";
import type { OaepHash } from "../../../core/crypto/master-key-clone.ts";
import type { ProofName } from "../token-facts.ts";
import { CKK, CKM, CKO } from "./cryptoki.ts";
import { KEK_IN_TRANSIT, KEK_IN_USE } from "./key-templates.ts";
import { encryptOaep, rsaPublicKey } from "./known-keys.ts";
import { rsaOaep } from "./mechanisms.ts";
import { KEY_WRAP } from "./known-answers.ts";
import type { ObjectHandle, Template } from "./module.ts";
import { template } from "./module.ts";
import { UNWRAPPING_PRIVATE_KEY } from "./probe-templates.ts";
import type { Bench, Proof } from "./proof.ts";
import {
  digestInput,
  digestOf,
  elsewhere,
  expectRefused,
  expectSame,
  expectSensitive,
  flipped,
} from "./proof.ts";

/*
 * RSA-OAEP: by it a master key goes from one token to another, and key material comes in. What another one encrypted is
 * opened inside, and the other way round.
 */

const DIGEST = hash("sha256", digestInput(KEY_WRAP.key), "buffer");
const RSA_2048_BYTES = 256;
const PRIVATE_KEY_LIMIT_BYTES = 4096;
/** The better one first. */
export const CLONING_PROOFS: readonly (Proof & { readonly hash: OaepHash })[] = [
  cloningProof("oaep-sha256", "sha256", "SHA-256"),
  cloningProof("oaep-sha1", "sha1", "SHA-1"),
];

function cloningProof(
  name: ProofName,
  hashName: OaepHash,
  shown: string,
): Proof & { readonly hash: OaepHash } {
  return {
    name,
    hash: hashName,
    title: `RSA-OAEP with ${shown}, to and from another token`,
    mechanisms: [CKM.RSA_PKCS_KEY_PAIR_GEN, CKM.RSA_PKCS_OAEP],
    run: (bench) => {
      proveEncryption(bench, hashName);
      const key = proveDecryption(bench, hashName, bench.rsaPair().privateKey, KEK_IN_USE);
      expectSensitive(bench, "a key from elsewhere", key, false);
    },
  };
}

/** That a key which the token wraps is opened elsewhere. */
function proveEncryption({ module, session, knownKey }: Bench, hashName: OaepHash): void {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const { n = "", e = "" } = publicKey.export({ format: "jwk" });
  const peer = module.createObject(
    session,
    template({
      CLASS: CKO.PUBLIC_KEY,
      KEY_TYPE: CKK.RSA,
      TOKEN: false,
      PRIVATE: false,
      WRAP: true,
      MODULUS: Buffer.from(n, "base64url"),
      PUBLIC_EXPONENT: Buffer.from(e, "base64url"),
    }),
  );
  const key = knownKey(KEY_WRAP.key, KEK_IN_TRANSIT);
  const wrapped = module.wrap(session, rsaOaep(hashName), peer, key, RSA_2048_BYTES);
  const options = { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hashName };
  const opened = elsewhere("a key for another token", () => privateDecrypt(options, wrapped));
  expectSame("a key for another token", opened, KEY_WRAP.key);
}

/** That a key which was wrapped elsewhere comes in, and what was changed does not. */
function proveDecryption(
  bench: Bench,
  hashName: OaepHash,
  privateKey: ObjectHandle,
  attributes: Template,
): ObjectHandle {
  const { module, session, rsaPair } = bench;
  const publicKey = rsaPublicKey(module, session, rsaPair().publicKey);
  const wrapped = encryptOaep(hashName, publicKey, KEY_WRAP.key);
  const unwrap = (blob: Buffer) => module.unwrap(session, rsaOaep(hashName), privateKey, blob, attributes);
  const key = unwrap(wrapped);
  expectSame("a key from elsewhere", digestOf(bench, key), DIGEST);
  expectRefused("a changed key from elsewhere", () => unwrap(flipped(wrapped, RSA_2048_BYTES - 1)));
  return key;
}

const IMPORT_MECHANISMS = [CKM.RSA_PKCS_KEY_PAIR_GEN, CKM.RSA_PKCS_OAEP];

export const IMPORT_PROOFS: readonly (Proof & { readonly algorithm: ImportAlgorithm })[] = [
  {
    name: "import-oaep",
    algorithm: "RSAES_OAEP_SHA_256",
    title: "Imports by RSAES_OAEP_SHA_256",
    mechanisms: IMPORT_MECHANISMS,
    run: (bench) => {
      const material = proveDecryption(bench, "sha256", importKey(bench), KEK_IN_TRANSIT);
      expectSame("imported material under a KEK", underKek(bench, material), KEY_WRAP.kwp);
    },
  },
  {
    name: "import-aes",
    algorithm: "RSA_AES_KEY_WRAP_SHA_256",
    title: "Imports by RSA_AES_KEY_WRAP_SHA_256",
    mechanisms: IMPORT_MECHANISMS,
    run: (bench) => {
      const { module, session } = bench;
      const callersKey = proveDecryption(bench, "sha256", importKey(bench), KEK_IN_USE);
      // The key that came in is used as the caller's AES key, and brings in itself.
      const wrapped = wrapKwp(createSecretKey(KEY_WRAP.key), KEY_WRAP.key);
      const material = module.unwrap(session, bench.kwp(), callersKey, wrapped, KEK_IN_TRANSIT);
      expectSame("imported material under a KEK", underKek(bench, material), KEY_WRAP.kwp);
    },
  },
];

function underKek({ module, session, knownKey, kwp }: Bench, material: ObjectHandle): Buffer {
  const kek = knownKey(KEY_WRAP.kek, KEK_IN_USE);
  return module.wrap(session, kwp(), kek, material, KEY_WRAP.kwp.byteLength);
}

/** A private key that was away under a KEK, as import keys are. */
function importKey(bench: Bench): ObjectHandle {
  const { module, session, knownKey, rsaPair } = bench;
  const kwp = bench.kwp();
  const kek = knownKey(KEY_WRAP.kek, KEK_IN_USE);
  const wrapped = module.wrap(session, kwp, kek, rsaPair().privateKey, PRIVATE_KEY_LIMIT_BYTES);
  return module.unwrap(session, kwp, kek, wrapped, UNWRAPPING_PRIVATE_KEY);
}
