import { createCipheriv, createHmac, createSecretKey, hash } from "node:crypto";
import { expect, test } from "vitest";
import { wrapKwp } from "../../../core/crypto/aes-kwp.ts";
import { CBC_AND_ECB, GCM, HMAC, KEY_WRAP, ODD_LENGTHS } from "./known-answers.ts";

const sealed = (cipher: string, key: Uint8Array, iv: Uint8Array | null, data: Uint8Array): Buffer => {
  const by = createCipheriv(cipher, key, iv).setAutoPadding(false);
  return Buffer.concat([by.update(data), by.final()]);
};
const padded = (bytes: number): Buffer => Buffer.concat([KEY_WRAP.key, Buffer.alloc(bytes, bytes)]);
const RFC_3394_IV = Buffer.alloc(8, 0xa6);
const RFC_5649_IV = Buffer.from("a65959a6", "hex");

test("key wrap is what node:crypto gives", () => {
  const { kek, key } = KEY_WRAP;
  expect(wrapKwp(createSecretKey(kek), key)).toEqual(KEY_WRAP.kwp);
  expect(sealed("id-aes256-wrap", kek, RFC_3394_IV, key)).toEqual(KEY_WRAP.kw);
  expect(sealed("id-aes256-wrap", kek, RFC_3394_IV, padded(8))).toEqual(KEY_WRAP.pkcs7To8);
  expect(sealed("id-aes256-wrap", kek, RFC_3394_IV, padded(16))).toEqual(KEY_WRAP.pkcs7To16);
  for (const { key: odd, wrapped } of ODD_LENGTHS.keys)
    expect(sealed("id-aes192-wrap-pad", ODD_LENGTHS.kek, RFC_5649_IV, odd)).toEqual(wrapped);
});

test("the MAC is that of the long key of RFC 4231, and of its digest", () => {
  expect(hash("sha256", HMAC.longKey, "buffer")).toEqual(HMAC.key);
  for (const key of [HMAC.key, HMAC.longKey])
    expect(createHmac("sha256", key).update(HMAC.data).digest()).toEqual(HMAC.mac);
});

test("GCM, CBC and ECB are what node:crypto gives", () => {
  const gcm = createCipheriv("aes-256-gcm", GCM.key, GCM.iv).setAAD(GCM.aad);
  const ciphertext = Buffer.concat([gcm.update(GCM.plaintext), gcm.final()]);
  expect(Buffer.concat([ciphertext, gcm.getAuthTag()])).toEqual(GCM.sealed);
  const { key, iv, data, cbc, ecb } = CBC_AND_ECB;
  expect(sealed("aes-256-cbc", key, iv, data)).toEqual(cbc);
  expect(sealed("aes-256-ecb", key, null, data.subarray(0, 16))).toEqual(ecb);
});
