import { hash } from "node:crypto";
import type {
  MessageType,
  SignatureAlgorithm,
  SigningSpec,
} from "../../../core/crypto/signature-algorithms.ts";
import { algorithmsOf, messageRefusal } from "../../../core/crypto/signature-algorithms.ts";
import { Failure } from "../../../core/errors.ts";
import type { KeyPairKind } from "./key-pair-kinds.ts";
import { EC_P256, EC_P384, RSA_3072 } from "./key-pair-kinds.ts";
import type { ObjectHandle } from "./module.ts";
import { SIGNING_MECHANISMS } from "./signing-mechanisms.ts";
import type { TokenSession } from "./token-session.ts";
import { WrappedKeyPairs } from "./wrapped-key-pairs.ts";
import { WrappedKeys } from "./wrapped-keys.ts";

/** Kinds of keys that a token may be able to sign with. Of those tested none wraps a private key of Ed25519. */
const KINDS: Readonly<Partial<Record<SigningSpec, KeyPairKind>>> = { EC_P256, EC_P384, RSA_3072 };

/** The longest signature is one of RSA-3072. */
const LIMIT_BYTES = 384;

export interface OpenedSigningKey {
  readonly spec: SigningSpec;
  readonly key: ObjectHandle;
}

/** Signing keys in a token. Which of them a token has is an ability, found out by trying: NSS takes back no EC key. */
export class TokenSigningKeys {
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
    if (!algorithmsOf(spec).includes(algorithm))
      throw new Failure("algorithm-refused", `a key of ${spec} does not sign with ${algorithm}`);
    const refused = messageRefusal(algorithm, type, message);
    if (refused !== undefined) throw new Failure("algorithm-refused", refused);
    const { mechanism, input, output, hash: name } = SIGNING_MECHANISMS[algorithm];
    const signed = name === undefined || type === "DIGEST" ? message : hash(name, message, "buffer");
    const { module, session } = this.#token;
    return output(module.sign(session, mechanism, key, input(signed), LIMIT_BYTES));
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
