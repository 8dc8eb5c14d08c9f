import { kwpLengthBytes } from "../../../core/crypto/aes-kwp.ts";
import { Failure } from "../../../core/errors.ts";
import { CKA, CKM } from "./cryptoki.ts";
import { MATERIAL_IN_USE, NEW_MATERIAL } from "./key-templates.ts";
import type { ObjectHandle, Template } from "./module.ts";
import { TokenError } from "./module.ts";
import { unwrappable } from "./refusable.ts";
import type { TokenSession } from "./token-session.ts";
import { TokenTrouble } from "../host/outcomes.ts";

/** Of the longest private key that is wrapped. */
const LIMIT_BYTES = kwpLengthBytes(4096);

/** Keys under a KEK (docs/wrapped-key-format.md §4), into the token and out of it. */
export class WrappedKeys {
  readonly #token: TokenSession;
  /** Number of the mechanism that was proved to be AES-KWP (RFC 5649). */
  readonly #kwp: number;

  constructor(token: TokenSession, kwp: number) {
    this.#token = token;
    this.#kwp = kwp;
  }

  /** The blob of an extractable key, proved to open as what `attributes` say. */
  wrap(kek: ObjectHandle, key: ObjectHandle, attributes: Template): Uint8Array {
    const { module, session } = this.#token;
    const wrapped = module.wrap(session, this.#kwp, kek, key, LIMIT_BYTES);
    const again = this.unwrap(kek, wrapped, attributes);
    if (again === "refused") throw new TokenTrouble("a wrapped key does not open again", "here");
    this.destroy(again);
    return wrapped;
  }

  /** The key for use, which never leaves the token. */
  unwrap(kek: ObjectHandle, wrapped: Uint8Array, attributes: Template): ObjectHandle | "refused" {
    const { module, session } = this.#token;
    const { byteLength } = wrapped;
    if (byteLength < kwpLengthBytes(1) || byteLength > LIMIT_BYTES || byteLength % 8 !== 0) return "refused";
    const key = unwrappable(
      this.#token,
      () => this.proveUnwrapping(kek),
      () => module.unwrap(session, this.#kwp, kek, wrapped, attributes),
    );
    return key === "refused" ? key : this.kept(key);
  }

  /** That what was wrapped a moment ago unwraps. @throws TokenError, TokenTrouble where not: the token is in trouble. */
  proveUnwrapping(kek: ObjectHandle): void {
    const { module, session } = this.#token;
    this.using(module.generateKey(session, CKM.AES_KEY_GEN, NEW_MATERIAL), (key) => {
      const wrapped = module.wrap(session, this.#kwp, kek, key, LIMIT_BYTES);
      try {
        this.destroy(module.unwrap(session, this.#kwp, kek, wrapped, MATERIAL_IN_USE));
      } catch (error) {
        if (error instanceof TokenError) throw new TokenTrouble(`of a good key: ${error.message}`, "here");
        throw error;
      }
    });
  }

  /**
   * A new key for use, looked at: some tokens take their own word for what a template says.
   * @throws Failure `unit-lacks-ability`.
   */
  kept(key: ObjectHandle): ObjectHandle {
    const { module, session } = this.#token;
    if (module.isSet(session, key, CKA.SENSITIVE) && !module.isSet(session, key, CKA.EXTRACTABLE)) return key;
    this.destroy(key);
    throw new Failure("unit-lacks-ability", "the token does not keep a key in use to itself");
  }

  using<Result>(key: ObjectHandle, use: (key: ObjectHandle) => Result): Result {
    try {
      return use(key);
    } finally {
      this.destroy(key);
    }
  }

  destroy(key: ObjectHandle): void {
    const { module, session } = this.#token;
    module.destroyObject(session, key);
  }
}
