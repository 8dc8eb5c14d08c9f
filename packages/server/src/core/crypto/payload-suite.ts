import { createHmac, createSecretKey, KeyObject } from "node:crypto";
import { CBC_NONCE_BYTES, cbcIv, cbcMessageKey } from "./cbc-message-key.ts";
import { kdfInput, setKdfContext } from "./counter-kdf.ts";
import { openGcm, sealGcm } from "./gcm.ts";
import type { KeyMaterial } from "./key-material.ts";
import { KeyMaterialInMemory } from "./key-material.ts";
import { randomNonce } from "./random.ts";
import { XAES_NONCE_BYTES, xaesIv, XaesKey } from "./xaes.ts";

/**
 * The algorithm table for payloads: how a unit that holds key material seals a message with it. Each message has a key of
 * its own, from the material and random bytes that travel with the message: there is no counter that a restored database or
 * a cloned machine could repeat. Then AES-256-GCM with that key. Why these three: docs/decisions/0014.
 *
 * Suite 1. Message key = KDF in counter mode (NIST SP 800-108r1 §4.1) with PRF HMAC-SHA-256, K_in = key material,
 * label "claviger payload 1", context = 16 random bytes, L = 256. The IV is twelve zero bytes.
 *
 * Suite 2. XAES-256-GCM (C2SP, XAES-256-GCM.md) with 24 random bytes, under the material. Two blocks of AES make the message
 * key, a third of what HMAC costs.
 *
 * Suite 3. Message key = AES-256-CBC of a constant under the material, IV = 16 random bytes; 12 more are the IV of the
 * message. A PKCS#11 token derives it without its leaving the token.
 *
 * Every unit opens every suite, and seals with the one that its abilities state. A suite is never changed; another way of
 * sealing is another number. An unknown number is a refusal.
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

const KDF_NONCE_BYTES = 16;
const ZERO_IV = new Uint8Array(12);
const MESSAGE_KEY = kdfInput("claviger payload 1", KDF_NONCE_BYTES);
/** What the key of `payloadMac` is the HMAC of. */
export const MAC_KEY_INPUT = kdfInput("claviger mac 1", 0);

/** Opened key material, with what is derived from it once and for all. */
export class PayloadKey {
  readonly material: KeyMaterial;
  #xaes: XaesKey | undefined;
  #mac: KeyObject | undefined;

  constructor(material: KeyObject | KeyMaterial) {
    this.material = material instanceof KeyObject ? new KeyMaterialInMemory(material) : material;
  }

  get xaes(): XaesKey {
    return (this.#xaes ??= new XaesKey(this.material));
  }

  /** The key for `payloadMac`: the KDF of suite 1, label "claviger mac 1", empty context. */
  get mac(): KeyObject {
    if (this.#mac) return this.#mac;
    const bytes = this.material.hmac(MAC_KEY_INPUT);
    this.#mac = createSecretKey(bytes);
    bytes.fill(0);
    return this.#mac;
  }
}

const suite1: PayloadSuite = {
  nonceBytes: KDF_NONCE_BYTES,
  seal(key, plaintext, aad) {
    const nonce = randomNonce(KDF_NONCE_BYTES);
    return { nonce, sealed: sealGcm(kdfMessageKey(key, nonce), ZERO_IV, plaintext, aad) };
  },
  open(key, { nonce, sealed }, aad) {
    if (nonce.byteLength !== KDF_NONCE_BYTES) return "refused";
    return openGcm(kdfMessageKey(key, nonce), ZERO_IV, sealed, aad);
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

const suite3: PayloadSuite = {
  nonceBytes: CBC_NONCE_BYTES,
  seal(key, plaintext, aad) {
    const nonce = randomNonce(CBC_NONCE_BYTES);
    return { nonce, sealed: sealGcm(cbcMessageKey(key.material, nonce), cbcIv(nonce), plaintext, aad) };
  },
  open(key, { nonce, sealed }, aad) {
    if (nonce.byteLength !== CBC_NONCE_BYTES) return "refused";
    return openGcm(cbcMessageKey(key.material, nonce), cbcIv(nonce), sealed, aad);
  },
};

export const PAYLOAD_SUITES = { 1: suite1, 2: suite2, 3: suite3 } as const satisfies Record<
  number,
  PayloadSuite
>;
export type PayloadSuiteNumber = keyof typeof PAYLOAD_SUITES;

export function isPayloadSuite(suite: number): suite is PayloadSuiteNumber {
  return Object.hasOwn(PAYLOAD_SUITES, suite);
}

/** HMAC-SHA-256 of `data`, 32 bytes. */
export function payloadMac(key: PayloadKey, data: Uint8Array): Uint8Array {
  return createHmac("sha256", key.mac).update(data).digest();
}

function kdfMessageKey({ material }: PayloadKey, nonce: Uint8Array): Uint8Array {
  // One input buffer for all: nothing runs between this line and the end of the HMAC. The nonce is public.
  setKdfContext(MESSAGE_KEY, nonce);
  return material.hmac(MESSAGE_KEY);
}
