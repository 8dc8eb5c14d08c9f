import { createSecretKey, randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import vectors from "../../../../../test/vectors/aes-kwp.json" with { type: "json" };
import { unwrapBatch, wrapBatch } from "./aes-kwp-batch.ts";
import { unwrapKwp, wrapKwp } from "./aes-kwp.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const keys = fc.array(bytes(32), { maxLength: 20 });

function at(packed: Uint8Array, row: number, rowBytes: number): Uint8Array {
  return packed.subarray(row * rowBytes, (row + 1) * rowBytes);
}

test("wraps byte for byte as node:crypto does, and unwraps again", () => {
  fc.assert(
    fc.property(bytes(32), keys, (kekBytes, rows) => {
      const kek = createSecretKey(kekBytes);
      const wrapped = wrapBatch(kek, Buffer.concat(rows));
      rows.forEach((key, row) => expect(Buffer.compare(at(wrapped, row, 40), wrapKwp(kek, key))).toBe(0));
      const unwrapped = unwrapBatch(kek, wrapped);
      expect(Buffer.compare(unwrapped.keys, Buffer.concat(rows))).toBe(0);
      expect(unwrapped.refused).toEqual(new Uint8Array(rows.length));
    }),
  );
});

test("refuses the very rows that node:crypto refuses, and hands out nothing of them", () => {
  const tampered = fc.array(fc.tuple(bytes(32), fc.option(fc.nat(40 * 8 - 1))), {
    minLength: 1,
    maxLength: 20,
  });
  fc.assert(
    fc.property(bytes(32), tampered, (kekBytes, rows) => {
      const kek = createSecretKey(kekBytes);
      const wrapped = wrapBatch(kek, Buffer.concat(rows.map(([key]) => key)));
      rows.forEach(([, bit], row) => {
        if (bit !== null)
          wrapped[row * 40 + (bit >> 3)] = (wrapped[row * 40 + (bit >> 3)] ?? 0) ^ (1 << (bit & 7));
      });
      const unwrapped = unwrapBatch(kek, wrapped);
      rows.forEach(([key, bit], row) => {
        const oracle = unwrapKwp(kek, at(wrapped, row, 40));
        expect(unwrapped.refused[row]).toBe(oracle === "refused" ? 1 : 0);
        expect(unwrapped.refused[row]).toBe(bit === null ? 0 : 1);
        expect(Buffer.compare(at(unwrapped.keys, row, 32), bit === null ? key : new Uint8Array(32))).toBe(0);
      });
    }),
  );
});

test("refuses material of 25 to 31 bytes, whose wrapped form has 40 bytes too", () => {
  const kek = createSecretKey(randomBytes(32));
  for (let length = 25; length < 32; length++) {
    expect(unwrapBatch(kek, wrapKwp(kek, randomBytes(length))).refused).toEqual(Uint8Array.of(1));
  }
});

test("refuses a known wrong padding of the right length", () => {
  const kek = createSecretKey(Buffer.from(vectors.invalid.kek, "hex"));
  const wrapped = Buffer.from(vectors.invalid.wrapped[3] ?? "", "hex");
  expect(unwrapBatch(kek, wrapped).refused).toEqual(Uint8Array.of(1));
});

test("takes whole rows only", () => {
  const kek = createSecretKey(randomBytes(32));
  expect(() => wrapBatch(kek, new Uint8Array(33))).toThrow(RangeError);
  expect(() => unwrapBatch(kek, new Uint8Array(48))).toThrow(RangeError);
});
