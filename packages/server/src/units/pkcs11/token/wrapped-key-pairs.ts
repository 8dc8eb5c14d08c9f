import { Failure } from "../../../core/errors.ts";
import { CKA } from "./cryptoki.ts";
import type { KeyPairKind } from "./key-pair-kinds.ts";
import type { PrivateKeyUse } from "./key-templates.ts";
import { privateKey, publicKey } from "./key-templates.ts";
import type { ObjectHandle, Template } from "./module.ts";
import type { TokenSession } from "./token-session.ts";
import type { WrappedKeys } from "./wrapped-keys.ts";

/** Private keys for one use under a KEK: PKCS#8 in DER, wrapped (docs/wrapped-key-format.md §4). */
export class WrappedKeyPairs {
  readonly #token: TokenSession;
  readonly #keys: WrappedKeys;
  readonly #use: PrivateKeyUse;

  constructor(token: TokenSession, keys: WrappedKeys, use: PrivateKeyUse) {
    this.#token = token;
    this.#keys = keys;
    this.#use = use;
  }

  /** A new pair: DER SubjectPublicKeyInfo, and the private key under the KEK. */
  generate(
    kek: ObjectHandle,
    kind: KeyPairKind,
  ): { readonly publicKey: Uint8Array; readonly wrapped: Uint8Array } {
    const { module, session } = this.#token;
    const { keyType, generation, parameters } = kind;
    const pair = module.generateKeyPair(
      session,
      generation,
      publicKey(keyType, this.#use, parameters),
      privateKey(keyType, this.#use, { isExtractable: true }),
    );
    return this.#keys.using(pair.publicKey, () =>
      this.#keys.using(pair.privateKey, () => ({
        publicKey: kind.publicKey((attribute) => module.attribute(session, pair.publicKey, attribute)),
        wrapped: this.#keys.wrap(kek, pair.privateKey, this.#inUse(kind)),
      })),
    );
  }

  /**
   * The private key for use.
   * @throws Failure `record-not-vouched`.
   */
  open(kek: ObjectHandle, kind: KeyPairKind, wrapped: Uint8Array): ObjectHandle {
    const key = this.#keys.unwrap(kek, wrapped, this.#inUse(kind));
    if (key === "refused")
      throw new Failure("record-not-vouched", "the private key does not unwrap under its KEK");
    let isOne = false;
    try {
      isOne = this.#isOne(key, kind);
    } finally {
      if (!isOne) this.#keys.destroy(key);
    }
    if (!isOne) throw new Failure("record-not-vouched", "the private key is of another kind");
    return key;
  }

  /** NSS takes the type from what it unwraps, and not from the template. */
  #isOne(key: ObjectHandle, kind: KeyPairKind): boolean {
    const { module, session } = this.#token;
    if (module.numberOf(session, key, CKA.KEY_TYPE) !== kind.keyType) return false;
    return kind.isOne((attribute) => module.attribute(session, key, attribute));
  }

  #inUse({ keyType }: KeyPairKind): Template {
    return privateKey(keyType, this.#use, { isExtractable: false });
  }
}
