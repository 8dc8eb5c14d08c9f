/**
 * A project KEK of a Barbican as its database has it: wrapped by the MKEK, signed by the HMAC key, and naming both by
 * the labels that they have in the token (openstack/barbican: barbican/plugin/crypto/p11_crypto.py).
 */
export interface WrappedProjectKey {
  /** null: the mechanism was given no parameter. */
  readonly iv: Uint8Array | null;
  readonly wrapped: Uint8Array;
  readonly hmac: Uint8Array;
  readonly mkekLabel: string;
  readonly hmacLabel: string;
  readonly mechanism: KeyWrapMechanism;
}

/** How Barbican wraps project KEKs, by its own names (barbican/plugin/crypto/pkcs11.py, KeyWrapMechanism). */
export const KEY_WRAP_MECHANISMS = {
  CKM_AES_CBC_PAD: { number: 0x1085, ivBytes: 16 },
  CKM_AES_KEY_WRAP_PAD: { number: 0x210a, ivBytes: 8 },
  CKM_AES_KEY_WRAP_KWP: { number: 0x210b, ivBytes: 4 },
} as const;

export type KeyWrapMechanism = keyof typeof KEY_WRAP_MECHANISMS;

/** What signs a wrapped project KEK (there, `hmac_mechanism`). */
export const HMAC_MECHANISMS = { CKM_SHA256_HMAC: 0x251, CKM_AES_MAC: 0x1083 } as const;

export type HmacMechanism = keyof typeof HMAC_MECHANISMS;

/** Types of an HMAC key (there, `hmac_key_type`). The database does not know them. */
export const HMAC_KEY_TYPES = { CKK_AES: 0x1f, CKK_GENERIC_SECRET: 0x10, CKK_SHA256_HMAC: 0x2b } as const;

export type HmacKeyType = keyof typeof HMAC_KEY_TYPES;

/** Under what project KEKs are to be. */
export interface ProjectKeyTarget {
  readonly mkekLabel: string;
  readonly hmacLabel: string;
  readonly mechanism: KeyWrapMechanism;
  /** Whether the mechanism gets an IV, from the token's random numbers; CKM_AES_CBC_PAD always does. */
  readonly generatesIv: boolean;
}

/** Why a project KEK, or a secret under it, does not open. Each is of one row alone: trouble with the token is a Failure. */
export type ProjectKeyRefusal =
  | "mkek-missing"
  | "mkek-ambiguous"
  | "hmac-key-missing"
  | "hmac-key-ambiguous"
  /** The HMAC fits neither the form of today nor that of 2015. */
  | "hmac-mismatch"
  /** The token does not unwrap, or not wrap, by the mechanism, or not sign by the HMAC key. */
  | "mechanism-unsupported"
  /** Unwrapping fails, although the HMAC is right. */
  | "not-opened"
  /** An IV or a wrapped key of a length that the mechanism does not make. */
  | "malformed";

/** A payload of Barbican under a project KEK (`encrypted_data`). */
export interface SealedSecret {
  readonly mechanism: SecretMechanism;
  readonly iv: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** There, `encryption_mechanism`. SafeNet's GCM is GCM under a number of the vendor. */
export const SECRET_MECHANISMS = {
  CKM_AES_CBC: 0x1082,
  CKM_AES_GCM: 0x1087,
  VENDOR_SAFENET_CKM_AES_GCM: 0x8000011c,
} as const;

export type SecretMechanism = keyof typeof SECRET_MECHANISMS;
