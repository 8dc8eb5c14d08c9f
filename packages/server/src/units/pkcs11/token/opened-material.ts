import type { KeyMaterial } from "../../../core/crypto/key-material.ts";
import { MAC_KEY_INPUT, PayloadKey } from "../../../core/crypto/payload-suite.ts";
import { Failure } from "../../../core/errors.ts";
import { CKM } from "./cryptoki.ts";
import { macKey, MATERIAL_FOR_HMAC, MATERIAL_IN_USE } from "./key-templates.ts";
import type { Mechanism, ObjectHandle, Template } from "./module.ts";
import type { TokenSession } from "./token-session.ts";
import type { WrappedKeys } from "./wrapped-keys.ts";

const MAC_BYTES = 32;

/** Where key material comes from. */
interface Source {
  /** The KEK as it is open now, for it may be closed before the material. What this throws is thrown by who needed it. */
  readonly kek: () => ObjectHandle;
  readonly wrapped: Uint8Array;
}

/**
 * Key material in a token: an AES key, and, unwrapped once more when an HMAC is first asked for, a key for that, because a
 * token gives each key one type. What leaves the token by `hmac` and `encryptBlocks` is the key of one message, of a suite
 * that the token cannot do by itself.
 */
export class OpenedMaterial implements KeyMaterial {
  readonly #token: TokenSession;
  readonly #keys: WrappedKeys;
  readonly #source: Source;
  readonly #aes: ObjectHandle;
  #hmac: ObjectHandle | undefined;
  #mac: ObjectHandle | undefined;
  /** For suites whose message key is used outside. */
  readonly payloadKey = new PayloadKey(this);

  /** @throws Failure `record-not-vouched`. */
  constructor(token: TokenSession, keys: WrappedKeys, source: Source) {
    this.#token = token;
    this.#keys = keys;
    this.#source = source;
    this.#aes = this.#unwrap(MATERIAL_IN_USE);
  }

  hmac(input: Uint8Array): Uint8Array {
    const { module, session } = this.#token;
    this.#hmac ??= this.#unwrap(MATERIAL_FOR_HMAC);
    return module.sign(session, CKM.SHA256_HMAC, this.#hmac, input, MAC_BYTES);
  }

  encryptBlocks(blocks: Uint8Array): Uint8Array {
    const { module, session } = this.#token;
    return module.encrypt(session, CKM.AES_ECB, this.#aes, blocks);
  }

  /** What `use` makes of a key that is derived in the token, and gone afterwards. */
  withDerived<Result>(
    mechanism: Mechanism,
    attributes: Template,
    use: (key: ObjectHandle) => Result,
  ): Result {
    const { module, session } = this.#token;
    return this.#keys.using(module.derive(session, mechanism, this.#aes, attributes), use);
  }

  /** docs/wrapped-key-format.md §7: 32 bytes. */
  mac(data: Uint8Array): Uint8Array {
    const { module, session } = this.#token;
    this.#mac ??= this.#makeMacKey();
    return module.sign(session, CKM.SHA256_HMAC, this.#mac, data, MAC_BYTES);
  }

  close(): void {
    for (const key of [this.#aes, this.#hmac, this.#mac]) if (key) this.#keys.destroy(key);
  }

  /** No token derives a key by HMAC: this one passes through the memory of this process once. It opens nothing. */
  #makeMacKey(): ObjectHandle {
    const { module, session } = this.#token;
    const value = this.hmac(MAC_KEY_INPUT);
    try {
      return this.#keys.kept(module.createObject(session, macKey(value)));
    } finally {
      value.fill(0);
    }
  }

  #unwrap(attributes: Template): ObjectHandle {
    const { kek, wrapped } = this.#source;
    const key = this.#keys.unwrap(kek(), wrapped, attributes);
    if (key === "refused")
      throw new Failure("record-not-vouched", "the key material does not unwrap under its KEK");
    return key;
  }
}
