/*
 * What each return code of PKCS#11 (v3.1, §5.1) means to a unit host: one table. A code that is not in it says nothing
 * that could be relied on, so its session is given up.
 */

/**
 * What failed.
 * - `session`: the session or its login is gone; a new one may do.
 * - `token`: the token or its driver; to initialise the module anew may do.
 * - `request`: what was asked, which fails everywhere.
 * - `blob`: the wrapped key, ciphertext or signature that was given.
 * - `pin`: the PIN, which is never tried again.
 */
export type WhatFailed = "session" | "token" | "request" | "blob" | "pin";

export interface ReturnCodeRule {
  readonly name: string;
  readonly failed: WhatFailed;
  /** Whether the session can go on as if nothing had been called. */
  readonly isSessionUsable: boolean;
  /** Whether the same call may succeed after what `failed` was mended. */
  readonly mayRetry: boolean;
}

const session = (name: string): ReturnCodeRule => rule(name, "session", false, true);
const token = (name: string): ReturnCodeRule => rule(name, "token", false, true);
const request = (name: string): ReturnCodeRule => rule(name, "request", true, false);
const blob = (name: string): ReturnCodeRule => rule(name, "blob", true, false);
const pin = (name: string): ReturnCodeRule => rule(name, "pin", false, false);

const RULES: ReadonlyMap<number, ReturnCodeRule> = new Map([
  [0x02, token("CKR_HOST_MEMORY")],
  [0x03, token("CKR_SLOT_ID_INVALID")],
  // Several tokens say these of a bad blob, and of anything else that went wrong too: the session is asked.
  [0x05, token("CKR_GENERAL_ERROR")],
  [0x06, token("CKR_FUNCTION_FAILED")],
  [0x07, request("CKR_ARGUMENTS_BAD")],
  [0x0a, token("CKR_CANT_LOCK")],
  [0x10, request("CKR_ATTRIBUTE_READ_ONLY")],
  [0x11, request("CKR_ATTRIBUTE_SENSITIVE")],
  [0x12, request("CKR_ATTRIBUTE_TYPE_INVALID")],
  [0x13, request("CKR_ATTRIBUTE_VALUE_INVALID")],
  [0x20, blob("CKR_DATA_INVALID")],
  [0x21, blob("CKR_DATA_LEN_RANGE")],
  [0x30, token("CKR_DEVICE_ERROR")],
  [0x31, token("CKR_DEVICE_MEMORY")],
  [0x32, token("CKR_DEVICE_REMOVED")],
  [0x40, blob("CKR_ENCRYPTED_DATA_INVALID")],
  [0x41, blob("CKR_ENCRYPTED_DATA_LEN_RANGE")],
  [0x50, session("CKR_FUNCTION_CANCELED")],
  [0x54, request("CKR_FUNCTION_NOT_SUPPORTED")],
  [0x60, session("CKR_KEY_HANDLE_INVALID")],
  [0x62, request("CKR_KEY_SIZE_RANGE")],
  [0x63, request("CKR_KEY_TYPE_INCONSISTENT")],
  [0x67, request("CKR_KEY_INDIGESTIBLE")],
  [0x68, request("CKR_KEY_FUNCTION_NOT_PERMITTED")],
  [0x69, request("CKR_KEY_NOT_WRAPPABLE")],
  [0x6a, request("CKR_KEY_UNEXTRACTABLE")],
  [0x70, request("CKR_MECHANISM_INVALID")],
  [0x71, request("CKR_MECHANISM_PARAM_INVALID")],
  [0x82, session("CKR_OBJECT_HANDLE_INVALID")],
  [0x90, session("CKR_OPERATION_ACTIVE")],
  [0x91, session("CKR_OPERATION_NOT_INITIALIZED")],
  [0xa0, pin("CKR_PIN_INCORRECT")],
  [0xa1, pin("CKR_PIN_INVALID")],
  [0xa2, pin("CKR_PIN_LEN_RANGE")],
  [0xa3, pin("CKR_PIN_EXPIRED")],
  [0xa4, pin("CKR_PIN_LOCKED")],
  [0xb0, session("CKR_SESSION_CLOSED")],
  [0xb1, session("CKR_SESSION_COUNT")],
  [0xb3, session("CKR_SESSION_HANDLE_INVALID")],
  [0xb5, request("CKR_SESSION_READ_ONLY")],
  [0xc0, blob("CKR_SIGNATURE_INVALID")],
  [0xc1, blob("CKR_SIGNATURE_LEN_RANGE")],
  [0xd0, request("CKR_TEMPLATE_INCOMPLETE")],
  [0xd1, request("CKR_TEMPLATE_INCONSISTENT")],
  [0xe0, token("CKR_TOKEN_NOT_PRESENT")],
  [0xe1, token("CKR_TOKEN_NOT_RECOGNIZED")],
  [0xe2, request("CKR_TOKEN_WRITE_PROTECTED")],
  [0xf0, session("CKR_UNWRAPPING_KEY_HANDLE_INVALID")],
  [0xf1, request("CKR_UNWRAPPING_KEY_SIZE_RANGE")],
  [0xf2, request("CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT")],
  [0x101, session("CKR_USER_NOT_LOGGED_IN")],
  [0x102, pin("CKR_USER_PIN_NOT_INITIALIZED")],
  [0x110, blob("CKR_WRAPPED_KEY_INVALID")],
  [0x112, blob("CKR_WRAPPED_KEY_LEN_RANGE")],
  [0x113, session("CKR_WRAPPING_KEY_HANDLE_INVALID")],
  [0x114, request("CKR_WRAPPING_KEY_SIZE_RANGE")],
  [0x115, request("CKR_WRAPPING_KEY_TYPE_INCONSISTENT")],
  [0x150, request("CKR_BUFFER_TOO_SMALL")],
  [0x190, token("CKR_CRYPTOKI_NOT_INITIALIZED")],
]);

/** Codes that say that what was asked for is so already. */
export const ALREADY = { LOGGED_IN: 0x100, INITIALIZED: 0x191 } as const;

/** Codes of a token that refuses a blob without saying that it is the blob: SoftHSM and openCryptoki do. */
export const AMBIGUOUS: ReadonlySet<number> = new Set([0x05, 0x06]);

/** The rule of a return code. */
export function ruleOf(code: number): ReturnCodeRule {
  return RULES.get(code) ?? rule(`CKR 0x${code.toString(16)}`, "session", false, false);
}

function rule(name: string, failed: WhatFailed, isSessionUsable: boolean, mayRetry: boolean): ReturnCodeRule {
  return { name, failed, isSessionUsable, mayRetry };
}
