import { createCipheriv, createSecretKey, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { CBC_DATA, CBC_NONCE_BYTES, cbcIv, cbcMessageKey } from "./cbc-message-key.ts";
import { KeyMaterialInMemory } from "./key-material.ts";

test("is AES-256-CBC of the constant, as a token derives it", () => {
  for (let i = 0; i < 100; i += 1) {
    const key = createSecretKey(randomBytes(32));
    const nonce = randomBytes(CBC_NONCE_BYTES);
    const cbc = createCipheriv("aes-256-cbc", key, nonce.subarray(0, 16)).setAutoPadding(false);
    expect(cbcMessageKey(new KeyMaterialInMemory(key), nonce)).toEqual(cbc.update(CBC_DATA));
    expect(cbcIv(nonce)).toEqual(nonce.subarray(16));
  }
});

test("the constant is two blocks that differ", () => {
  expect(Buffer.from(CBC_DATA).toString("latin1")).toBe(`claviger payload 3${"\0".repeat(14)}`);
  expect(CBC_DATA.subarray(0, 16)).not.toEqual(CBC_DATA.subarray(16));
});
