import { CKK, CKO } from "./cryptoki.ts";
import { template } from "./module.ts";

/* The keys of proofs, as strict as those in use. Of KEKs and master keys the proofs take the templates themselves. */

const IN_USE = {
  CLASS: CKO.SECRET_KEY,
  TOKEN: false,
  PRIVATE: true,
  SENSITIVE: true,
  EXTRACTABLE: false,
} as const;
const AES = { ...IN_USE, KEY_TYPE: CKK.AES } as const;
const SECRET = { ...IN_USE, KEY_TYPE: CKK.GENERIC_SECRET } as const;

export const MAC_KEY = template({ ...SECRET, SIGN: true, VERIFY: true });
export const MESSAGE_KEY = template({ ...AES, ENCRYPT: true, DECRYPT: true });
export const DERIVED_MESSAGE_KEY = template({ ...AES, ENCRYPT: true, DECRYPT: true, VALUE_LEN: 32 });
export const DERIVING_KEY = template({ ...AES, DERIVE: true });
/** A secret of any length that can be wrapped. */
export const SECRET_IN_TRANSIT = template({ ...SECRET, EXTRACTABLE: true });

const PRIVATE_KEY = { ...IN_USE, CLASS: CKO.PRIVATE_KEY } as const;

export const UNWRAPPING_PRIVATE_KEY = template({ ...PRIVATE_KEY, KEY_TYPE: CKK.RSA, UNWRAP: true });

/** `keyType` is a CKK. */
export function signingPrivateKey(keyType: number) {
  return template({ ...PRIVATE_KEY, KEY_TYPE: keyType, SIGN: true });
}
