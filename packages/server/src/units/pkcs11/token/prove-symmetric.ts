import { createCipheriv } from "node:crypto";
import { CKM } from "./cryptoki.ts";
import { CBC_AND_ECB, GCM, HMAC } from "./known-answers.ts";
import { aesCbcEncryptData, aesGcm } from "./mechanisms.ts";
import type { ObjectHandle } from "./module.ts";
import { DERIVED_MESSAGE_KEY, DERIVING_KEY, MAC_KEY, MESSAGE_KEY } from "./probe-templates.ts";

import type { Bench, Proof } from "./proof.ts";
import { expectRefused, expectSame, expectSensitive, flipped } from "./proof.ts";

/* What payloads and rows are sealed with: AES in three modes, and HMAC. */

const TAG_BYTES = 16;
export const HMAC_PROOF: Proof = {
  name: "hmac",
  title: "HMAC-SHA-256",
  mechanisms: [CKM.SHA256_HMAC],
  run: ({ module, session, knownKey }) => {
    const key = knownKey(HMAC.key, MAC_KEY);
    expectSame(
      "the MAC",
      module.sign(session, CKM.SHA256_HMAC, key, HMAC.data, HMAC.mac.byteLength),
      HMAC.mac,
    );
  },
};

export const GCM_PROOF: Proof = {
  name: "gcm",
  title: "AES-256-GCM",
  mechanisms: [CKM.AES_GCM],
  run: (bench) => {
    proveGcm(bench, bench.knownKey(GCM.key, MESSAGE_KEY), GCM.sealed);
  },
};

/** The message key of a payload of suite 3, which is derived inside, and sealing by it. */
export const CBC_DERIVATION_PROOF: Proof = {
  name: "cbc-derivation",
  title: "AES-256-GCM by keys derived inside",
  mechanisms: [CKM.AES_CBC_ENCRYPT_DATA, CKM.AES_GCM],
  run: (bench) => {
    const { module, session, knownKey } = bench;
    const { iv, data } = CBC_AND_ECB;
    const key = knownKey(CBC_AND_ECB.key, DERIVING_KEY);
    const messageKey = module.derive(session, aesCbcEncryptData(iv, data), key, DERIVED_MESSAGE_KEY);
    expectSensitive(bench, "a derived key", messageKey, false);
    proveGcm(bench, messageKey, sealedByNode(CBC_AND_ECB.cbc));
  },
};

export const ECB_PROOF: Proof = {
  name: "ecb",
  title: "AES-256-ECB",
  mechanisms: [CKM.AES_ECB],
  run: ({ module, session, knownKey }) => {
    const key = knownKey(CBC_AND_ECB.key, MESSAGE_KEY);
    const block = CBC_AND_ECB.data.subarray(0, 16);
    expectSame("the ciphertext", module.encrypt(session, CKM.AES_ECB, key, block), CBC_AND_ECB.ecb);
    expectSame("the plaintext", module.decrypt(session, CKM.AES_ECB, key, CBC_AND_ECB.ecb), block);
  },
};

/**
 * That `key` gives `sealed`, opens it, and refuses it when anything of it differs. There is always an IV: SoftHSM takes
 * none for one that never changes.
 */
function proveGcm({ module, session }: Bench, key: ObjectHandle, sealed: Buffer): void {
  const by = aesGcm(GCM.iv, GCM.aad);
  expectSame("the ciphertext", module.encrypt(session, by, key, GCM.plaintext, TAG_BYTES), sealed);
  expectSame("the plaintext", module.decrypt(session, by, key, sealed), GCM.plaintext);
  for (const [what, at] of [
    ["a changed ciphertext", 0],
    ["a ciphertext with another tag", sealed.byteLength - 1],
  ] as const)
    expectRefused(what, () => module.decrypt(session, by, key, flipped(sealed, at)));
  expectRefused("a ciphertext under other additional data", () =>
    module.decrypt(session, aesGcm(GCM.iv, flipped(GCM.aad, 0)), key, sealed),
  );
}

function sealedByNode(key: Uint8Array): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key, GCM.iv).setAAD(GCM.aad);
  return Buffer.concat([cipher.update(GCM.plaintext), cipher.final(), cipher.getAuthTag()]);
}
