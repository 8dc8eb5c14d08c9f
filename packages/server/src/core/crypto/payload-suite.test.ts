import { createCipheriv, createHmac, createSecretKey, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KeyMaterial } from "./key-material.ts";
import { isPayloadSuite, PAYLOAD_SUITES, PayloadKey, payloadMac } from "./payload-suite.ts";

const newKey = () => new PayloadKey(createSecretKey(randomBytes(32)));
const key = newKey();

describe.each(Object.entries(PAYLOAD_SUITES))("suite %s", (_number, suite) => {
  test("opens what it sealed, with the same key and AAD", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 100 }), (plaintext, aad) => {
        const message = suite.seal(key, plaintext, aad);
        expect(message.nonce.byteLength).toBe(suite.nonceBytes);
        expect(message.sealed.byteLength).toBe(plaintext.byteLength + 16);
        expect(Buffer.from(suite.open(key, message, aad))).toEqual(Buffer.from(plaintext));
        expect(suite.open(key, message, Buffer.concat([aad, Buffer.of(0)]))).toBe("refused");
        expect(suite.open(newKey(), message, aad)).toBe("refused");
      }),
    );
  });

  test("refuses a message with any bit changed, a nonce of another length, and less than a tag", () => {
    const message = suite.seal(key, Buffer.from("plaintext"), Buffer.alloc(0));
    for (const part of ["nonce", "sealed"] as const)
      for (let bit = 0; bit < 8 * message[part].byteLength; bit += 1) {
        const changed = Uint8Array.from(message[part]);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(suite.open(key, { ...message, [part]: changed }, Buffer.alloc(0))).toBe("refused");
      }
    const { nonce, sealed } = message;
    expect(suite.open(key, { nonce: nonce.subarray(1), sealed }, Buffer.alloc(0))).toBe("refused");
    expect(suite.open(key, { nonce, sealed: sealed.subarray(0, 15) }, Buffer.alloc(0))).toBe("refused");
  });

  test("draws a nonce for each message", () => {
    const nonces = Array.from({ length: 2000 }, () =>
      Buffer.from(suite.seal(key, Buffer.alloc(3), Buffer.alloc(3)).nonce).toString("hex"),
    );
    expect(new Set(nonces).size).toBe(nonces.length);
  });
});

test("a message of one suite does not open as one of another, with as much of its nonce as that has", () => {
  const aad = Buffer.alloc(0);
  const suites = Object.values(PAYLOAD_SUITES);
  for (const sealing of suites) {
    const { nonce, sealed } = sealing.seal(key, Buffer.from("plaintext"), aad);
    for (const opening of suites.filter((other) => other !== sealing)) {
      const fitted = Buffer.concat([nonce, Buffer.alloc(28)]).subarray(0, opening.nonceBytes);
      expect(opening.open(key, { nonce: fitted, sealed }, aad)).toBe("refused");
    }
  }
});

test("knows the suites of its table, and nothing that objects inherit", () => {
  expect([1, 2, 3].every(isPayloadSuite)).toBe(true);
  expect([0, 4, -1, 1.5].some(isPayloadSuite)).toBe(false);
});

test("makes MACs under another key than the material itself", () => {
  const material = createSecretKey(randomBytes(32));
  const data = Buffer.from("data");
  const mac = payloadMac(new PayloadKey(material), data);
  expect(payloadMac(new PayloadKey(material), data)).toEqual(mac);
  expect(createHmac("sha256", material).update(data).digest()).not.toEqual(mac);
});

test("asks of material that is elsewhere for an HMAC and for blocks of AES, and does all the rest itself", () => {
  const bytes = randomBytes(32);
  const elsewhere: KeyMaterial = {
    hmac: (input) => createHmac("sha256", bytes).update(input).digest(),
    encryptBlocks: (blocks) => createCipheriv("aes-256-ecb", bytes, null).update(blocks),
  };
  const [here, there] = [new PayloadKey(createSecretKey(bytes)), new PayloadKey(elsewhere)];
  const [plaintext, aad] = [Buffer.from("plaintext"), Buffer.from("aad")];
  for (const suite of Object.values(PAYLOAD_SUITES)) {
    expect(suite.open(there, suite.seal(here, plaintext, aad), aad)).toEqual(plaintext);
    expect(suite.open(here, suite.seal(there, plaintext, aad), aad)).toEqual(plaintext);
  }
  expect(payloadMac(there, aad)).toEqual(payloadMac(here, aad));
});
