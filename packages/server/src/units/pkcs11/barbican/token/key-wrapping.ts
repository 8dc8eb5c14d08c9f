import type { HmacMechanism, KeyWrapMechanism } from "../../../../core/barbican/project-key.ts";
import { HMAC_MECHANISMS, KEY_WRAP_MECHANISMS } from "../../../../core/barbican/project-key.ts";
import { CKK, CKM, CKO } from "../../token/cryptoki.ts";
import type { Mechanism, ObjectHandle, Template } from "../../token/module.ts";
import { asBuffer, template, TokenError } from "../../token/module.ts";
import type { TokenSession } from "../../token/token-session.ts";

const KEY_BYTES = 32;
/** What the mechanisms make of a key of 32 bytes, and more than that. */
const WRAPPED_LIMIT_BYTES = 128;
const HMAC_LIMIT_BYTES = 64;

/** CKR_ATTRIBUTE_READ_ONLY */
const ATTRIBUTE_READ_ONLY = 0x10;

/**
 * SoftHSM encrypts every attribute of a private object, in the memory of the process that has the key for it beside: nothing
 * is won by it for a key that lives for a moment in a process that is logged in, and it takes a fifth of the time. Other
 * tokens get what Barbican asks of them.
 */
const SEALS_PRIVATE_SESSION_OBJECTS = "SoftHSM project";

/** The calls that wrap, open and sign project KEKs, with Barbican's parameters (barbican/plugin/crypto/pkcs11.py). */
export class KeyWrapping {
  readonly #token: TokenSession;
  readonly #hmac: number;
  #saysExtractable = true;

  constructor(token: TokenSession, hmacMechanism: HmacMechanism) {
    this.#token = token;
    this.#hmac = HMAC_MECHANISMS[hmacMechanism];
  }

  wrap(
    mkek: ObjectHandle,
    mechanism: KeyWrapMechanism,
    iv: Uint8Array | null,
    key: ObjectHandle,
  ): Uint8Array {
    const { module, session } = this.#token;
    return module.wrap(session, withIv(mechanism, iv), mkek, key, WRAPPED_LIMIT_BYTES);
  }

  /** To be destroyed by the caller at once: like Barbican's, it can be wrapped, and used. */
  unwrap(
    mkek: ObjectHandle,
    mechanism: KeyWrapMechanism,
    iv: Uint8Array | null,
    wrapped: Uint8Array,
  ): ObjectHandle {
    const { module, session } = this.#token;
    const unwrap = (): ObjectHandle =>
      module.unwrap(session, withIv(mechanism, iv), mkek, wrapped, this.#template());
    try {
      return unwrap();
    } catch (error) {
      if (!(error instanceof TokenError) || error.code !== ATTRIBUTE_READ_ONLY || !this.#saysExtractable)
        throw error;
      this.#saysExtractable = false;
      return unwrap();
    }
  }

  sign(hmacKey: ObjectHandle, data: Uint8Array): Uint8Array {
    const { module, session } = this.#token;
    return module.sign(session, this.#hmac, hmacKey, data, HMAC_LIMIT_BYTES);
  }

  newIv(mechanism: KeyWrapMechanism): Uint8Array {
    const { module, session } = this.#token;
    return module.random(session, KEY_WRAP_MECHANISMS[mechanism].ivBytes);
  }

  /** A key for trying; some HSMs have no keys that are sensitive and can be wrapped (there, `always_set_cka_sensitive`). */
  newKey(): ObjectHandle {
    const { module, session } = this.#token;
    const attributes = {
      VALUE_LEN: KEY_BYTES,
      TOKEN: false,
      ENCRYPT: true,
      DECRYPT: true,
      EXTRACTABLE: true,
    };
    const make = (SENSITIVE: boolean): ObjectHandle =>
      module.generateKey(
        session,
        CKM.AES_KEY_GEN,
        template({ ...attributes, SENSITIVE, PRIVATE: this.#isPrivate() }),
      );
    try {
      return make(true);
    } catch (error) {
      if (isRequestRefused(error)) return make(false);
      throw error;
    }
  }

  using<Result>(key: ObjectHandle, use: (key: ObjectHandle) => Result): Result {
    const { module, session } = this.#token;
    try {
      return use(key);
    } finally {
      module.destroyObject(session, key);
    }
  }

  #template(): Template {
    if (!this.#saysExtractable) return UNWRAPPED_IN_OPENCRYPTOKI;
    return this.#isPrivate() ? UNWRAPPED : UNWRAPPED_IN_SOFTHSM;
  }

  #isPrivate(): boolean {
    return this.#token.token.manufacturer !== SEALS_PRIVATE_SESSION_OBJECTS;
  }
}

const SESSION_AES = { CLASS: CKO.SECRET_KEY, KEY_TYPE: CKK.AES, TOKEN: false, SENSITIVE: true } as const;
const USED = { ENCRYPT: true, DECRYPT: true } as const;

/** As Barbican states it (there, unwrap_key). */
const UNWRAPPED = template({ ...SESSION_AES, ...USED, PRIVATE: true, EXTRACTABLE: true });
/** ENCRYPT and DECRYPT are true there where they are left out, and each costs time. */
const UNWRAPPED_IN_SOFTHSM = template({ ...SESSION_AES, PRIVATE: false, EXTRACTABLE: true });
/** Its soft token makes every unwrapped key extractable, and lets nobody say so. */
const UNWRAPPED_IN_OPENCRYPTOKI = template({ ...SESSION_AES, ...USED, PRIVATE: true });

function withIv(mechanism: KeyWrapMechanism, iv: Uint8Array | null): Mechanism {
  const { number } = KEY_WRAP_MECHANISMS[mechanism];
  return iv ? { mechanism: number, parameter: asBuffer(iv) } : number;
}

/** The token does not do what it was asked for, whatever it was given. */
export function isRequestRefused(error: unknown): error is TokenError {
  return error instanceof TokenError && error.rule.failed === "request";
}
