import { createCipheriv, createDecipheriv, createHmac, createSecretKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { randomNonce } from "./random.ts";
import { XAES_NONCE_BYTES, xaesIv, XaesKey } from "./xaes.ts";

/**
 * The algorithm table for payloads: how a unit that holds key material seals a message with it. Each message has a key of
 * its own, from the material and random bytes that travel with the message: there is no counter that a restored database or
 * a cloned machine could repeat.
 *
 * Suite 1. Message key = KDF in counter mode (NIST SP 800-108r1 §4.1) with PRF HMAC-SHA-256, K_in = key material,
 * label "claviger payload 1", context = 16 random bytes, L = 256. Then AES-256-GCM (NIST SP 800-38D) with that key, an IV of
 * twelve zero bytes and a 16-byte tag.
 *
 * Suite 2. XAES-256-GCM (C2SP, XAES-256-GCM.md) with 24 random bytes, under a key of its own: the same KDF with the label
 * "claviger payload 2" and an empty context. Two blocks of AES make the message key, a third of what HMAC costs.
 *
 * A suite is never changed; another way of sealing is another number. An unknown number is a refusal.
 */
export interface PayloadSuite {
  /** Random bytes that travel with a message. */
  readonly nonceBytes: number;
  /** `aad` is authenticated, not sealed. */
  seal(key: PayloadKey, plaintext: Uint8Array, aad: Uint8Array): Sealed;
  /** The plaintext, which the caller wipes, or "refused", whatever it is that does not fit. */
  open(key: PayloadKey, message: Sealed, aad: Uint8Array): Uint8Array<ArrayBuffer> | "refused";
}

export interface Sealed {
  /** As many random bytes as the suite says. */
  readonly nonce: Uint8Array;
  /** Ciphertext with the tag behind it. */
  readonly sealed: Uint8Array;
}

export const TAG_BYTES = 16;

const GCM = "aes-256-gcm";
const GCM_OPTIONS = { authTagLength: TAG_BYTES } as const;

const KDF_NONCE_BYTES = 16;
const ZERO_IV = new Uint8Array(12);
const MESSAGE_KEY = kdfInput("claviger payload 1", KDF_NONCE_BYTES);
const XAES_KEY = kdfInput("claviger payload 2", 0);
const MAC_KEY = kdfInput("claviger mac 1", 0);

/** Opened key material, 32 bytes, with the keys that are derived from it once and for all. */
export class PayloadKey {
  readonly material: KeyObject;
  #xaes: XaesKey | undefined;
  #mac: KeyObject | undefined;

  constructor(material: KeyObject) {
    this.material = material;
  }

  get xaes(): XaesKey {
    if (this.#xaes) return this.#xaes;
    const bytes = derive(this.material, XAES_KEY);
    this.#xaes = new XaesKey(bytes);
    bytes.fill(0);
    return this.#xaes;
  }

  /** The key for `payloadMac`: same KDF, label "claviger mac 1", empty context. */
  get mac(): KeyObject {
    if (this.#mac) return this.#mac;
    const bytes = derive(this.material, MAC_KEY);
    this.#mac = createSecretKey(bytes);
    bytes.fill(0);
    return this.#mac;
  }
}

const suite1: PayloadSuite = {
  nonceBytes: KDF_NONCE_BYTES,
  seal(key, plaintext, aad) {
    const nonce = randomNonce(KDF_NONCE_BYTES);
    return { nonce, sealed: sealGcm(deriveMessageKey(key, nonce), ZERO_IV, plaintext, aad) };
  },
  open(key, { nonce, sealed }, aad) {
    if (nonce.byteLength !== KDF_NONCE_BYTES) return "refused";
    return openGcm(deriveMessageKey(key, nonce), ZERO_IV, sealed, aad);
  },
};

const suite2: PayloadSuite = {
  nonceBytes: XAES_NONCE_BYTES,
  seal(key, plaintext, aad) {
    const nonce = randomNonce(XAES_NONCE_BYTES);
    return { nonce, sealed: sealGcm(key.xaes.messageKey(nonce), xaesIv(nonce), plaintext, aad) };
  },
  open(key, { nonce, sealed }, aad) {
    if (nonce.byteLength !== XAES_NONCE_BYTES) return "refused";
    return openGcm(key.xaes.messageKey(nonce), xaesIv(nonce), sealed, aad);
  },
};

export const PAYLOAD_SUITES = { 1: suite1, 2: suite2 } as const satisfies Record<number, PayloadSuite>;
export type PayloadSuiteNumber = keyof typeof PAYLOAD_SUITES;

/** The suite that new messages are sealed with. */
export const CURRENT_SUITE: PayloadSuiteNumber = 2;

export function isPayloadSuite(suite: number): suite is PayloadSuiteNumber {
  return Object.hasOwn(PAYLOAD_SUITES, suite);
}

/** HMAC-SHA-256 of `data`, 32 bytes. */
export function payloadMac(key: PayloadKey, data: Uint8Array): Uint8Array {
  return createHmac("sha256", key.mac).update(data).digest();
}

/** Wipes `messageKey`. */
function sealGcm(messageKey: Uint8Array, iv: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
  const cipher = createCipheriv(GCM, messageKey, iv, GCM_OPTIONS);
  messageKey.fill(0);
  cipher.setAAD(aad);
  const sealed = Buffer.allocUnsafe(plaintext.byteLength + TAG_BYTES);
  sealed.set(cipher.update(plaintext));
  cipher.final();
  sealed.set(cipher.getAuthTag(), plaintext.byteLength);
  return sealed;
}

/** Wipes `messageKey`. */
function openGcm(
  messageKey: Uint8Array,
  iv: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
): Uint8Array<ArrayBuffer> | "refused" {
  const lengthBytes = sealed.byteLength - TAG_BYTES;
  if (lengthBytes < 0) {
    messageKey.fill(0);
    return "refused";
  }
  const decipher = createDecipheriv(GCM, messageKey, iv, GCM_OPTIONS);
  messageKey.fill(0);
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(lengthBytes));
  const plaintext = decipher.update(sealed.subarray(0, lengthBytes));
  try {
    decipher.final();
  } catch {
    // The tag differs: node:crypto gives this error no code, and final() has no other for GCM.
    plaintext.fill(0);
    return "refused";
  }
  return plaintext;
}

function deriveMessageKey({ material }: PayloadKey, nonce: Uint8Array): Uint8Array {
  // One input buffer for all: nothing runs between this line and the end of the HMAC. The nonce is public.
  MESSAGE_KEY.set(nonce, MESSAGE_KEY.byteLength - KDF_NONCE_BYTES - 4);
  return derive(material, MESSAGE_KEY);
}

function derive(material: KeyObject, input: Uint8Array): Uint8Array {
  return createHmac("sha256", material).update(input).digest();
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
