import { CKK, CKO } from "./cryptoki.ts";
import type { Attributes, Template } from "./module.ts";
import { template } from "./module.ts";

/*
 * What keys may do, stated in full each time: what a template leaves out is decided by the token, and NSS makes a key that
 * anybody can read of an unwrapped one without SENSITIVE.
 */

const SECRET = { CLASS: CKO.SECRET_KEY, PRIVATE: true, SENSITIVE: true } as const;
const SESSION_AES = { ...SECRET, KEY_TYPE: CKK.AES, TOKEN: false } as const;
const KEY_BYTES = 32;

/** A KEK that is made or moved: it can be wrapped, and lives for one call. */
export const KEK_IN_TRANSIT = template({ ...SESSION_AES, EXTRACTABLE: true });
export const NEW_KEK = template({ ...SESSION_AES, EXTRACTABLE: true, VALUE_LEN: KEY_BYTES });

/** A KEK in use: it wraps and unwraps, and cannot be wrapped itself. */
export const KEK_IN_USE = template({
  ...SESSION_AES,
  EXTRACTABLE: false,
  ENCRYPT: false,
  DECRYPT: false,
  WRAP: true,
  UNWRAP: true,
});

const SESSION_GENERIC = { ...SECRET, KEY_TYPE: CKK.GENERIC_SECRET, TOKEN: false } as const;
const NO_CIPHER = { ENCRYPT: false, DECRYPT: false, WRAP: false, UNWRAP: false } as const;

/** Key material that is made or brought in: it can be wrapped, and lives for one call. */
export const MATERIAL_IN_TRANSIT = template({ ...SESSION_AES, EXTRACTABLE: true });
export const NEW_MATERIAL = template({ ...SESSION_AES, EXTRACTABLE: true, VALUE_LEN: KEY_BYTES });

/** Key material in use: keys of messages are derived from it, blocks encrypted. */
export const MATERIAL_IN_USE = template({
  ...SESSION_AES,
  ...NO_CIPHER,
  EXTRACTABLE: false,
  ENCRYPT: true,
  DECRYPT: true,
  DERIVE: true,
});

/** The same key material, as far as it is the key of an HMAC. */
export const MATERIAL_FOR_HMAC = template({
  ...SESSION_GENERIC,
  ...NO_CIPHER,
  EXTRACTABLE: false,
  SIGN: true,
  VERIFY: false,
});

/** The key of one message. */
const MESSAGE_KEY = { ...SESSION_AES, ...NO_CIPHER, EXTRACTABLE: false, VALUE_LEN: KEY_BYTES } as const;
export const SEALING_KEY = template({ ...MESSAGE_KEY, ENCRYPT: true });
export const OPENING_KEY = template({ ...MESSAGE_KEY, DECRYPT: true });

/** A MAC key with the value that was derived for it. */
export function macKey(value: Uint8Array): Template {
  const use = { EXTRACTABLE: false, SIGN: true, VERIFY: false } as const;
  return template({ ...SESSION_GENERIC, ...NO_CIPHER, ...use, VALUE: value });
}

/** The AES key by which somebody wrapped key material that is brought in. */
export const IMPORT_WRAPPING_KEY = template({
  ...SESSION_AES,
  ...NO_CIPHER,
  EXTRACTABLE: false,
  UNWRAP: true,
});

/** What a private key is for: it signs, or it unwraps key material that is brought in. */
export type PrivateKeyUse = "sign" | "unwrap";

/** Private keys of session objects. */
export function privateKey(
  keyType: number,
  use: PrivateKeyUse,
  options: { readonly isExtractable: boolean },
): Template {
  return template({
    CLASS: CKO.PRIVATE_KEY,
    KEY_TYPE: keyType,
    TOKEN: false,
    PRIVATE: true,
    SENSITIVE: true,
    EXTRACTABLE: options.isExtractable,
    DECRYPT: false,
    SIGN: use === "sign",
    UNWRAP: use === "unwrap",
  });
}

/** The public half of a new pair, of which only the value is of interest. */
export function publicKey(keyType: number, use: PrivateKeyUse, parameters: Attributes): Template {
  return template({
    CLASS: CKO.PUBLIC_KEY,
    KEY_TYPE: keyType,
    TOKEN: false,
    PRIVATE: false,
    ENCRYPT: false,
    VERIFY: use === "sign",
    WRAP: use === "unwrap",
    ...parameters,
  });
}

/** Both halves of a master key pair, in the token. */
export function masterKeyPair(options: { readonly isClonable: boolean }) {
  const half = { ...SECRET, TOKEN: true, EXTRACTABLE: options.isClonable, VALUE_LEN: KEY_BYTES } as const;
  const no = { ENCRYPT: false, DECRYPT: false } as const;
  return {
    wrapping: { ...half, ...no, KEY_TYPE: CKK.AES, WRAP: true, UNWRAP: true, SIGN: false, VERIFY: false },
    mac: {
      ...half,
      ...no,
      KEY_TYPE: CKK.GENERIC_SECRET,
      SIGN: true,
      VERIFY: true,
      WRAP: false,
      UNWRAP: false,
    },
  } as const;
}
