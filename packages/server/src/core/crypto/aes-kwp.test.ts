import { createCipheriv, createSecretKey, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import vectors from "../../../../../test/vectors/aes-kwp.json" with { type: "json" };
import { kwpLengthBytes, unwrapKwp, wrapKwp } from "./aes-kwp.ts";

const hex = (text: string): Buffer => Buffer.from(text, "hex");
const kek = createSecretKey(randomBytes(32));

test("gives the known answers for 256-bit keys, both ways", () => {
  const known = createSecretKey(hex(vectors.valid.kek));
  for (const { material, wrapped } of vectors.valid.answers) {
    expect(Buffer.from(wrapKwp(known, hex(material))).toString("hex")).toBe(wrapped);
    expect(unwrapKwp(known, hex(wrapped))).toEqual(hex(material));
  }
});

test("refuses known wrong initial values and paddings", () => {
  const known = createSecretKey(hex(vectors.invalid.kek));
  for (const wrapped of vectors.invalid.wrapped) expect(unwrapKwp(known, hex(wrapped))).toBe("refused");
});

test("the cipher underneath gives the answers of RFC 5649 §6, which are for a 192-bit key", () => {
  for (const { material, wrapped } of vectors.rfc5649.answers) {
    const cipher = createCipheriv("id-aes192-wrap-pad", hex(vectors.rfc5649.kek), hex("a65959a6"));
    expect(cipher.update(material, "hex", "hex") + cipher.final("hex")).toBe(wrapped);
  }
});

test("wraps 1 to 4096 bytes, and nothing shorter or longer", () => {
  for (const length of [1, 7, 8, 9, 32, 4095, 4096]) {
    const material = randomBytes(length);
    const wrapped = wrapKwp(kek, material);
    expect(wrapped.byteLength).toBe(kwpLengthBytes(length));
    expect(unwrapKwp(kek, wrapped)).toEqual(material);
  }
  expect(() => wrapKwp(kek, new Uint8Array(0))).toThrow(RangeError);
  expect(() => wrapKwp(kek, new Uint8Array(4097))).toThrow(RangeError);
});

test("refuses every changed bit, another key, and lengths that no wrapped key has", () => {
  const wrapped = wrapKwp(kek, randomBytes(32));
  for (let bit = 0; bit < wrapped.byteLength * 8; bit++) {
    const changed = Uint8Array.from(wrapped);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(unwrapKwp(kek, changed)).toBe("refused");
  }
  expect(unwrapKwp(createSecretKey(randomBytes(32)), wrapped)).toBe("refused");
  for (const length of [0, 1, 8, 15, 17, 39, 4112])
    expect(unwrapKwp(kek, new Uint8Array(length))).toBe("refused");
});
