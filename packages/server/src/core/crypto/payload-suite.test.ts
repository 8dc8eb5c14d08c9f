import { createSecretKey, randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { deriveMacKey, isPayloadSuite, PAYLOAD_SUITES, payloadMac } from "./payload-suite.ts";

const suite = PAYLOAD_SUITES[1];
const key = createSecretKey(randomBytes(32));

test("opens what it sealed, with the same key and AAD", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 100 }), (plaintext, aad) => {
      const message = suite.seal(key, plaintext, aad);
      expect(message.sealed.byteLength).toBe(plaintext.byteLength + 16);
      expect(Buffer.from(suite.open(key, message, aad))).toEqual(Buffer.from(plaintext));
      expect(suite.open(key, message, Buffer.concat([aad, Buffer.of(0)]))).toBe("refused");
      expect(suite.open(createSecretKey(randomBytes(32)), message, aad)).toBe("refused");
    }),
  );
});

test("draws a nonce for each message", () => {
  const nonces = Array.from({ length: 2000 }, () =>
    Buffer.from(suite.seal(key, key.export(), key.export()).nonce).toString("hex"),
  );
  expect(new Set(nonces).size).toBe(nonces.length);
});

test("knows the suites of its table, and nothing that objects inherit", () => {
  expect([0, 1, 2, -1, 1.5].map(isPayloadSuite)).toEqual([false, true, false, false, false]);
});

test("makes MACs under another key than the material itself", () => {
  const data = Buffer.from("data");
  expect(payloadMac(deriveMacKey(key), data)).toEqual(payloadMac(deriveMacKey(key), data));
  expect(payloadMac(deriveMacKey(key), data)).not.toEqual(payloadMac(key, data));
});
