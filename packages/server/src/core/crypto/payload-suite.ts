import { createCipheriv, createDecipheriv, createHmac, createSecretKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { randomNonce } from "./random.ts";

/**
 * The algorithm table for payloads: how a unit that holds key material seals a message with it.
 *
 * Suite 1. Message key = KDF in counter mode (NIST SP 800-108r1 §4.1) with PRF HMAC-SHA-256, K_in = key material,
 * label "claviger payload 1", context = 16 random bytes that travel with the message, L = 256. Then AES-256-GCM
 * (NIST SP 800-38D) with that key, an IV of twelve zero bytes and a 16-byte tag. The IV may be constant because no
 * message shares its key: there is no counter that a restored database or a cloned machine could repeat.
 *
 * A suite is never changed; another way of sealing is another number. An unknown number is a refusal.
 */
export interface PayloadSuite {
  /** `key` is the key material, 32 bytes; `aad` is authenticated, not sealed. */
  seal(key: KeyObject, plaintext: Uint8Array, aad: Uint8Array): Sealed;
  /** The plaintext, which the caller wipes, or "refused", whatever it is that does not fit. */
  open(key: KeyObject, message: Sealed, aad: Uint8Array): Uint8Array<ArrayBuffer> | "refused";
}

export interface Sealed {
  /** 16 random bytes. */
  readonly nonce: Uint8Array;
  /** Ciphertext with the tag behind it. */
  readonly sealed: Uint8Array;
}

export const NONCE_BYTES = 16;
export const TAG_BYTES = 16;

const ZERO_IV = new Uint8Array(12);
const GCM = "aes-256-gcm";
const GCM_OPTIONS = { authTagLength: TAG_BYTES } as const;

const MESSAGE_KEY = kdfInput("claviger payload 1", NONCE_BYTES);
const MAC_KEY = kdfInput("claviger mac 1", 0);

const suite1: PayloadSuite = {
  seal(key, plaintext, aad) {
    const nonce = randomNonce(NONCE_BYTES);
    const messageKey = deriveMessageKey(key, nonce);
    const cipher = createCipheriv(GCM, messageKey, ZERO_IV, GCM_OPTIONS);
    messageKey.fill(0);
    cipher.setAAD(aad);
    const sealed = new Uint8Array(plaintext.byteLength + TAG_BYTES);
    sealed.set(cipher.update(plaintext));
    cipher.final();
    sealed.set(cipher.getAuthTag(), plaintext.byteLength);
    return { nonce, sealed };
  },

  open(key, { nonce, sealed }, aad) {
    const length = sealed.byteLength - TAG_BYTES;
    if (nonce.byteLength !== NONCE_BYTES || length < 0) return "refused";
    const messageKey = deriveMessageKey(key, nonce);
    const decipher = createDecipheriv(GCM, messageKey, ZERO_IV, GCM_OPTIONS);
    messageKey.fill(0);
    decipher.setAAD(aad);
    decipher.setAuthTag(sealed.subarray(length));
    const plaintext = decipher.update(sealed.subarray(0, length));
    try {
      decipher.final();
    } catch {
      // The tag differs: node:crypto gives this error no code, and final() has no other for GCM.
      plaintext.fill(0);
      return "refused";
    }
    return plaintext;
  },
};

export const PAYLOAD_SUITES = { 1: suite1 } as const satisfies Record<number, PayloadSuite>;
export type PayloadSuiteNumber = keyof typeof PAYLOAD_SUITES;

/** The suite that new messages are sealed with. */
export const CURRENT_SUITE: PayloadSuiteNumber = 1;

export function isPayloadSuite(suite: number): suite is PayloadSuiteNumber {
  return Object.hasOwn(PAYLOAD_SUITES, suite);
}

/** The key for `payloadMac`: same KDF, label "claviger mac 1", empty context. Derive it once for opened material. */
export function deriveMacKey(key: KeyObject): KeyObject {
  const bytes = createHmac("sha256", key).update(MAC_KEY).digest();
  const macKey = createSecretKey(bytes);
  bytes.fill(0);
  return macKey;
}

/** HMAC-SHA-256 of `data`, 32 bytes. */
export function payloadMac(macKey: KeyObject, data: Uint8Array): Uint8Array {
  return createHmac("sha256", macKey).update(data).digest();
}

function deriveMessageKey(key: KeyObject, nonce: Uint8Array): Uint8Array {
  // One input buffer for all: nothing runs between this line and the end of the HMAC. The nonce is public.
  MESSAGE_KEY.set(nonce, MESSAGE_KEY.byteLength - NONCE_BYTES - 4);
  return createHmac("sha256", key).update(MESSAGE_KEY).digest();
}

/**
 * SP 800-108r1 §4.1, for one block of output: [1]_32 ‖ label ‖ 0x00 ‖ context ‖ [256]_32. The context is left zero.
 */
function kdfInput(label: string, contextBytes: number): Buffer {
  const input = Buffer.alloc(4 + label.length + 1 + contextBytes + 4);
  input.writeUInt32BE(1, 0);
  input.write(label, 4, "latin1");
  input.writeUInt32BE(256, input.byteLength - 4);
  return input;
}
