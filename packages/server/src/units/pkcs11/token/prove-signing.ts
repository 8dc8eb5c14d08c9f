import { constants, createPrivateKey, createPublicKey, createSecretKey, hash, verify } from "node:crypto";
import type { KeyObject, SigningOptions } from "node:crypto";
import { unwrapKwp } from "../../../core/crypto/aes-kwp.ts";
import type { PublicJwk } from "../../../core/crypto/public-key-forms.ts";
import type { SignatureAlgorithm, SigningSpec } from "../../../core/crypto/signature-algorithms.ts";
import { algorithmsOf } from "../../../core/crypto/signature-algorithms.ts";
import type { ProofName } from "../token-facts.ts";
import { CKA, CKK, CKM } from "./cryptoki.ts";
import { KEK_IN_USE } from "./key-templates.ts";
import { KEY_WRAP } from "./known-answers.ts";
import { rsaPublicKey } from "./known-keys.ts";
import type { ObjectHandle } from "./module.ts";
import { template } from "./module.ts";
import { signingPrivateKey } from "./probe-templates.ts";
import type { Bench, Proof } from "./proof.ts";
import { elsewhere, expectSensitive, WrongAnswer } from "./proof.ts";
import { SIGNING_MECHANISMS } from "./signing-mechanisms.ts";

/*
 * Signing as Claviger does it: a pair is made in the token, its private key leaves under a KEK, comes back under it, and
 * signs. The blob has to be PKCS#8, so that every other unit opens it, and node:crypto has to accept the signatures.
 */

const MESSAGE = Buffer.from("claviger probe", "latin1");
const PRIVATE_KEY_LIMIT_BYTES = 4096;
/** No signature is longer: that of RSA with 4096 bits. */
const SIGNATURE_LIMIT_BYTES = 512;

/** DER of the OIDs that name the curves (RFC 5480 §2.1.1.1, RFC 8410 §3). */
const P256 = Buffer.from("06082a8648ce3d030107", "hex");
const P384 = Buffer.from("06052b81040022", "hex");
const ED25519 = Buffer.from("06032b6570", "hex");

interface SigningProofOf {
  readonly name: ProofName;
  readonly title: string;
  readonly spec: SigningSpec;
  readonly mechanisms: readonly number[];
  readonly keyType: number;
  /** The pair, and its public key as node:crypto has it. */
  readonly make: (bench: Bench) => { readonly privateKey: ObjectHandle; readonly publicKey: KeyObject };
}

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
const PKCS1 = { padding: constants.RSA_PKCS1_PADDING };

/** How node:crypto verifies what a token signs, beside the hash. */
function verification(algorithm: SignatureAlgorithm): SigningOptions {
  if (algorithm.startsWith("RSASSA_PSS")) return PSS;
  return algorithm.startsWith("RSASSA_PKCS1") ? PKCS1 : {};
}

const SIGNING: readonly SigningProofOf[] = [
  {
    name: "sign-rsa",
    title: "Signs by RSA (RSA_3072)",
    spec: "RSA_3072",
    mechanisms: [CKM.RSA_PKCS_KEY_PAIR_GEN, CKM.RSA_PKCS, CKM.RSA_PKCS_PSS],
    keyType: CKK.RSA,
    make: ({ module, session, rsaPair }) => {
      const { publicKey, privateKey } = rsaPair();
      return { privateKey, publicKey: rsaPublicKey(module, session, publicKey) };
    },
  },
  {
    name: "sign-p256",
    title: "Signs by ECDSA with P-256 (EC_P256)",
    spec: "EC_P256",
    mechanisms: [CKM.EC_KEY_PAIR_GEN, CKM.ECDSA],
    keyType: CKK.EC,
    make: (bench) => ecPair(bench, CKM.EC_KEY_PAIR_GEN, P256, { kty: "EC", crv: "P-256" }),
  },
  {
    name: "sign-p384",
    title: "Signs by ECDSA with P-384 (EC_P384)",
    spec: "EC_P384",
    mechanisms: [CKM.EC_KEY_PAIR_GEN, CKM.ECDSA],
    keyType: CKK.EC,
    make: (bench) => ecPair(bench, CKM.EC_KEY_PAIR_GEN, P384, { kty: "EC", crv: "P-384" }),
  },
  {
    name: "sign-ed25519",
    title: "Signs by Ed25519 (ED25519)",
    spec: "ED25519",
    mechanisms: [CKM.EC_EDWARDS_KEY_PAIR_GEN, CKM.EDDSA],
    keyType: CKK.EC_EDWARDS,
    make: (bench) => ecPair(bench, CKM.EC_EDWARDS_KEY_PAIR_GEN, ED25519, { kty: "OKP", crv: "Ed25519" }),
  },
];

export const SIGNING_PROOFS: readonly (Proof & { readonly spec: SigningSpec })[] = SIGNING.map((row) => ({
  name: row.name,
  title: row.title,
  spec: row.spec,
  mechanisms: row.mechanisms,
  run: (bench) => {
    const { module, session, knownKey } = bench;
    const kwp = bench.kwp();
    const kek = knownKey(KEY_WRAP.kek, KEK_IN_USE);
    const { privateKey, publicKey } = row.make(bench);
    const blob = module.wrap(session, kwp, kek, privateKey, PRIVATE_KEY_LIMIT_BYTES);
    expectPrivateKeyOf(publicKey, blob);
    const key = module.unwrap(session, kwp, kek, blob, signingPrivateKey(row.keyType));
    expectSensitive(bench, "a private key that is unwrapped", key, false);
    for (const algorithm of algorithmsOf(row.spec)) proveAlgorithm(bench, algorithm, key, publicKey);
  },
}));

function ecPair(
  { module, session }: Bench,
  mechanism: number,
  curve: Buffer,
  form: { readonly kty: "EC" | "OKP"; readonly crv: string },
): { readonly privateKey: ObjectHandle; readonly publicKey: KeyObject } {
  const { publicKey, privateKey } = module.generateKeyPair(
    session,
    mechanism,
    template({ TOKEN: false, PRIVATE: false, EC_PARAMS: curve, VERIFY: true }),
    template({ TOKEN: false, PRIVATE: true, SENSITIVE: true, EXTRACTABLE: true, SIGN: true }),
  );
  const point = module.attribute(session, publicKey, CKA.EC_POINT);
  const key = elsewhere("a public key", () => createPublicKey({ key: jwkOf(point, form), format: "jwk" }));
  return { privateKey, publicKey: key };
}

/** An uncompressed point (4 ‖ x ‖ y) or the 32 bytes of Ed25519, in a DER OCTET STRING or, in some tokens, without it. */
function jwkOf(given: Buffer, form: { readonly kty: "EC" | "OKP"; readonly crv: string }): PublicJwk {
  const isDer = given.byteLength > 2 && given[0] === 4 && given[1] === given.byteLength - 2;
  const point = isDer ? given.subarray(2) : given;
  if (form.kty === "OKP") return { ...form, x: point.toString("base64url") };
  const half = (point.byteLength - 1) / 2;
  const x = point.subarray(1, 1 + half).toString("base64url");
  return { ...form, x, y: point.subarray(1 + half).toString("base64url") };
}

/** That the blob is the private key in PKCS#8, as docs/wrapped-key-format.md §4 has it. */
function expectPrivateKeyOf(publicKey: KeyObject, blob: Uint8Array): void {
  const pkcs8 = unwrapKwp(createSecretKey(KEY_WRAP.kek), blob);
  if (pkcs8 === "refused") throw new WrongAnswer("a wrapped private key is of no use elsewhere");
  const key = elsewhere("a wrapped private key", () =>
    createPublicKey(createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" })),
  );
  if (!key.equals(publicKey)) throw new WrongAnswer("a wrapped private key is another one elsewhere");
}

function proveAlgorithm(
  { module, session }: Bench,
  algorithm: SignatureAlgorithm,
  privateKey: ObjectHandle,
  publicKey: KeyObject,
): void {
  const { mechanism, input, output, hash: name } = SIGNING_MECHANISMS[algorithm];
  const signed = name === undefined ? MESSAGE : hash(name, MESSAGE, "buffer");
  const signature = output(module.sign(session, mechanism, privateKey, input(signed), SIGNATURE_LIMIT_BYTES));
  if (!verify(name, MESSAGE, { key: publicKey, ...verification(algorithm) }, signature))
    throw new WrongAnswer(`the signature by ${algorithm} is wrong`);
}
