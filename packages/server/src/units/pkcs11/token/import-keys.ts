import { kwpLengthBytes } from "../../../core/crypto/aes-kwp.ts";
import type { ImportAlgorithm } from "../../../core/crypto/import-wrap.ts";
import { Failure } from "../../../core/errors.ts";
import type { WrappedForImport } from "../../../core/unit/crypto-unit.ts";
import { CKA } from "./cryptoki.ts";
import { RSA_3072 } from "./key-pair-kinds.ts";
import { IMPORT_WRAPPING_KEY, MATERIAL_IN_TRANSIT, MATERIAL_IN_USE } from "./key-templates.ts";
import { rsaOaep } from "./mechanisms.ts";
import type { ObjectHandle, Template } from "./module.ts";
import { unwrappable } from "./refusable.ts";
import type { TokenSession } from "./token-session.ts";
import { WrappedKeyPairs } from "./wrapped-key-pairs.ts";
import { WrappedKeys } from "./wrapped-keys.ts";

const MODULUS_BYTES = 384;
const AES_256_BYTES = 32;

/** What is wrapped by each of the algorithms has one length. */
const WRAPPED_BYTES = {
  RSAES_OAEP_SHA_256: MODULUS_BYTES,
  RSA_AES_KEY_WRAP_SHA_256: MODULUS_BYTES + kwpLengthBytes(AES_256_BYTES),
} as const satisfies Record<ImportAlgorithm, number>;

/** What unwraps material that comes in, and what says whether the token unwraps anything. */
interface ImportKey {
  readonly privateKey: ObjectHandle;
  readonly control: () => void;
}

/**
 * Key material on its way into a token (docs/wrapped-key-format.md §8): it is unwrapped and wrapped under the KEK inside. The
 * algorithms are those of core/crypto/import-wrap.ts.
 */
export class TokenImportKeys {
  readonly #token: TokenSession;
  readonly #keys: WrappedKeys;
  readonly #pairs: WrappedKeyPairs;
  readonly #kwp: number;

  constructor(token: TokenSession, kwp: number) {
    this.#token = token;
    this.#keys = new WrappedKeys(token, kwp);
    this.#pairs = new WrappedKeyPairs(token, this.#keys, "unwrap");
    this.#kwp = kwp;
  }

  /** A new RSA key pair: DER SubjectPublicKeyInfo, and the private key under the KEK. */
  create(kek: ObjectHandle): { readonly publicKey: Uint8Array; readonly wrapped: Uint8Array } {
    return this.#pairs.generate(kek, RSA_3072);
  }

  /**
   * The material under the KEK.
   * @throws Failure `key-material-refused`, whatever it is that does not fit; `record-not-vouched` when the import key does
   * not unwrap under this KEK.
   */
  importMaterial(kek: ObjectHandle, { importKey, algorithm, wrapped }: WrappedForImport): Uint8Array {
    return this.#keys.using(this.#pairs.open(kek, RSA_3072, importKey), (privateKey) => {
      const control = () => this.#keys.proveUnwrapping(kek);
      const material = this.#unwrap({ privateKey, control }, algorithm, wrapped);
      if (material === "refused") throw new Failure("key-material-refused");
      return this.#keys.using(material, () => this.#keys.wrap(kek, material, MATERIAL_IN_USE));
    });
  }

  #unwrap(by: ImportKey, algorithm: ImportAlgorithm, wrapped: Uint8Array): ObjectHandle | "refused" {
    if (!Object.hasOwn(WRAPPED_BYTES, algorithm) || wrapped.byteLength !== WRAPPED_BYTES[algorithm])
      return "refused";
    const oaep = wrapped.subarray(0, MODULUS_BYTES);
    if (algorithm === "RSAES_OAEP_SHA_256") return this.#unwrapOaep(by, oaep, MATERIAL_IN_TRANSIT);
    const aesKey = this.#unwrapOaep(by, oaep, IMPORT_WRAPPING_KEY);
    if (aesKey === "refused") return aesKey;
    return this.#keys.using(aesKey, () =>
      this.#unwrapKwp(aesKey, by.control, wrapped.subarray(MODULUS_BYTES)),
    );
  }

  #unwrapOaep(
    { privateKey, control }: ImportKey,
    wrapped: Uint8Array,
    attributes: Template,
  ): ObjectHandle | "refused" {
    const { module, session } = this.#token;
    return this.#of256Bits(
      unwrappable(this.#token, control, () =>
        module.unwrap(session, rsaOaep("sha256"), privateKey, wrapped, attributes),
      ),
    );
  }

  #unwrapKwp(aesKey: ObjectHandle, control: () => void, wrapped: Uint8Array): ObjectHandle | "refused" {
    const { module, session } = this.#token;
    return this.#of256Bits(
      unwrappable(this.#token, control, () =>
        module.unwrap(session, this.#kwp, aesKey, wrapped, MATERIAL_IN_TRANSIT),
      ),
    );
  }

  /**
   * The key, if it has 32 bytes: of a shorter one a wrapped key could have the same length. A token that does not say how
   * long a key is that it unwrapped cannot import.
   */
  #of256Bits(key: ObjectHandle | "refused"): ObjectHandle | "refused" {
    const { module, session } = this.#token;
    if (key === "refused" || module.numberOf(session, key, CKA.VALUE_LEN) === AES_256_BYTES) return key;
    this.#keys.destroy(key);
    return "refused";
  }
}
