import { createCipheriv, createSecretKey } from "node:crypto";
import { expect, test } from "vitest";
import { KeyMaterialInMemory } from "./key-material.ts";
import { XAES_NONCE_BYTES, xaesIv, XaesKey } from "./xaes.ts";

/** C2SP, XAES-256-GCM.md, "Test vectors": one for each value of the bit that is shifted out. */
const NONCE = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWX");
const PLAINTEXT = "XAES-256-GCM";

const keyOf = (byte: number) => new XaesKey(new KeyMaterialInMemory(createSecretKey(Buffer.alloc(32, byte))));

test.for([
  [0x01, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"],
  [0x03, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"],
] as const)("derives what the test vector of key %i says", ([byte, aad, ciphertext]) => {
  const key = keyOf(byte);
  expect(NONCE.byteLength).toBe(XAES_NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key.messageKey(NONCE), xaesIv(NONCE)).setAAD(Buffer.from(aad));
  const sealed = Buffer.concat([cipher.update(PLAINTEXT), cipher.final(), cipher.getAuthTag()]);
  expect(sealed.toString("hex")).toBe(ciphertext);
});

test("derives the same for a nonce whatever was derived before", () => {
  const key = keyOf(1);
  const first = key.messageKey(NONCE);
  key.messageKey(Buffer.alloc(XAES_NONCE_BYTES, 0xff));
  expect(key.messageKey(NONCE)).toEqual(first);
});
