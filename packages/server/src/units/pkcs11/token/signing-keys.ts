import { hash } from "node:crypto";
import type { RsaHash } from "../../../core/crypto/rsa-digest.ts";
import { digestInfo } from "../../../core/crypto/rsa-digest.ts";
import type {
  MessageType,
  SignatureAlgorithm,
  SigningSpec,
} from "../../../core/crypto/signature-algorithms.ts";
import { algorithmsOf, messageRefusal } from "../../../core/crypto/signature-algorithms.ts";
import { Failure } from "../../../core/errors.ts";
import { CKM } from "./cryptoki.ts";
import { ecdsaDer } from "./ecdsa-der.ts";
import type { KeyPairKind } from "./key-pair-kinds.ts";
import { EC_P256, EC_P384, RSA_3072 } from "./key-pair-kinds.ts";
import { rsaPss } from "./mechanisms.ts";
import type { Mechanism, ObjectHandle } from "./module.ts";
import type { TokenSession } from "./token-session.ts";
import { WrappedKeyPairs } from "./wrapped-key-pairs.ts";
import { WrappedKeys } from "./wrapped-keys.ts";

/** Kinds of keys that a token may be able to sign with. Of those tested none wraps a private key of Ed25519. */
const KINDS: Readonly<Partial<Record<SigningSpec, KeyPairKind>>> = { EC_P256, EC_P384, RSA_3072 };

/** How a token signs: the hash is made by this process, which has the message. */
interface Signing {
  readonly hash: RsaHash;
  readonly mechanism: Mechanism;
  /** What the mechanism signs, of a digest. */
  input(digest: Uint8Array): Uint8Array;
  /** The signature, of what the mechanism gives. */
  output(signature: Uint8Array): Uint8Array;
}

const ALGORITHMS: Readonly<Partial<Record<SignatureAlgorithm, Signing>>> = {
  ECDSA_SHA_256: ecdsa("sha256"),
  ECDSA_SHA_384: ecdsa("sha384"),
  RSASSA_PSS_SHA_256: pss("sha256"),
  RSASSA_PSS_SHA_384: pss("sha384"),
  RSASSA_PSS_SHA_512: pss("sha512"),
  RSASSA_PKCS1_V1_5_SHA_256: pkcs1("sha256"),
  RSASSA_PKCS1_V1_5_SHA_384: pkcs1("sha384"),
  RSASSA_PKCS1_V1_5_SHA_512: pkcs1("sha512"),
};

/** The longest signature is one of RSA-3072. */
const LIMIT_BYTES = 384;

export interface OpenedSigningKey {
  readonly spec: SigningSpec;
  readonly key: ObjectHandle;
}

/** Signing keys in a token. Which of them a token has is an ability, found out by trying: NSS takes back no EC key. */
export class TokenSigningKeys {
  /** What a token must have for a kind of key, beside AES-KWP. */
  static readonly MECHANISMS: Readonly<Partial<Record<SigningSpec, readonly number[]>>> = {
    EC_P256: [CKM.EC_KEY_PAIR_GEN, CKM.ECDSA],
    EC_P384: [CKM.EC_KEY_PAIR_GEN, CKM.ECDSA],
    RSA_3072: [CKM.RSA_PKCS_KEY_PAIR_GEN, CKM.RSA_PKCS, CKM.RSA_PKCS_PSS],
  };
  readonly #token: TokenSession;
  readonly #keys: WrappedKeys;
  readonly #pairs: WrappedKeyPairs;

  constructor(token: TokenSession, kwp: number) {
    this.#token = token;
    this.#keys = new WrappedKeys(token, kwp);
    this.#pairs = new WrappedKeyPairs(token, this.#keys, "sign");
  }

  /**
   * DER SubjectPublicKeyInfo, and the private key under the KEK.
   * @throws Failure `unit-lacks-ability` for a kind that no token is known to have.
   */
  generateKeyPair(
    kek: ObjectHandle,
    spec: SigningSpec,
  ): { readonly publicKey: Uint8Array; readonly wrapped: Uint8Array } {
    return this.#pairs.generate(kek, kindOf(spec));
  }

  /**
   * The caller closes it.
   * @throws Failure `record-not-vouched`, `unit-lacks-ability`.
   */
  open(kek: ObjectHandle, spec: SigningSpec, wrapped: Uint8Array): OpenedSigningKey {
    return { spec, key: this.#pairs.open(kek, kindOf(spec), wrapped) };
  }

  /**
   * The signature in the form that the algorithm's row in core/crypto/signature-algorithms.ts names.
   * @throws Failure `algorithm-refused`.
   */
  sign(
    { spec, key }: OpenedSigningKey,
    algorithm: SignatureAlgorithm,
    message: Uint8Array,
    type: MessageType = "RAW",
  ): Uint8Array {
    const signing = algorithmsOf(spec).includes(algorithm) ? ALGORITHMS[algorithm] : undefined;
    if (!signing) throw new Failure("algorithm-refused", `a key of ${spec} does not sign with ${algorithm}`);
    const refused = messageRefusal(algorithm, type, message);
    if (refused !== undefined) throw new Failure("algorithm-refused", refused);
    const digest = type === "DIGEST" ? message : hash(signing.hash, message, "buffer");
    const { module, session } = this.#token;
    return signing.output(module.sign(session, signing.mechanism, key, signing.input(digest), LIMIT_BYTES));
  }

  close({ key }: OpenedSigningKey): void {
    this.#keys.destroy(key);
  }
}

function kindOf(spec: SigningSpec): KeyPairKind {
  const kind = KINDS[spec];
  if (!kind) throw new Failure("unit-lacks-ability", `a token has no signing keys of ${spec}`);
  return kind;
}

function ecdsa(name: RsaHash): Signing {
  return { hash: name, mechanism: CKM.ECDSA, input: (digest) => digest, output: ecdsaDer };
}

function pss(name: RsaHash): Signing {
  return { hash: name, mechanism: rsaPss(name), input: (digest) => digest, output: (signature) => signature };
}

function pkcs1(name: RsaHash): Signing {
  const input = (digest: Uint8Array) => digestInfo(name, digest);
  return { hash: name, mechanism: CKM.RSA_PKCS, input, output: (signature) => signature };
}
