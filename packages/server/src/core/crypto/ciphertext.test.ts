import { randomBytes, randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isFailure } from "../errors.ts";
import type { KeyId } from "../ids.ts";
import { encodeCiphertext, parseCiphertext } from "./ciphertext.ts";
import type { PayloadSuiteNumber } from "./payload-suite.ts";

const HEADER_BYTES = 22;

const partsOf = <Suite extends PayloadSuiteNumber>(suite: Suite, nonceBytes: number) =>
  fc.record({
    keyId: fc.uuid().map((id) => id as KeyId),
    keyVersion: fc.integer({ min: 1, max: 0xffffffff }),
    suite: fc.constant(suite),
    nonce: fc.uint8Array({ minLength: nonceBytes, maxLength: nonceBytes }),
    sealed: fc.uint8Array({ minLength: 16, maxLength: 64 }),
  });
const parts = fc.oneof(partsOf(1, 16), partsOf(2, 24), partsOf(3, 28));

function refused(bytes: Uint8Array): boolean {
  try {
    parseCiphertext(bytes);
    return false;
  } catch (error) {
    return isFailure(error, "ciphertext-refused");
  }
}

test("gives back the parts, also from within a larger buffer", () => {
  fc.assert(
    fc.property(parts, fc.nat(5), (given, before) => {
      const encoded = encodeCiphertext(given);
      expect(encoded.byteLength).toBe(HEADER_BYTES + given.nonce.byteLength + given.sealed.byteLength);
      const within = Buffer.concat([Buffer.alloc(before), encoded]).subarray(before);
      const parsed = parseCiphertext(within);
      expect({
        ...parsed,
        nonce: Uint8Array.from(parsed.nonce),
        sealed: Uint8Array.from(parsed.sealed),
      }).toEqual({
        ...given,
        nonce: Uint8Array.from(given.nonce),
        sealed: Uint8Array.from(given.sealed),
      });
    }),
  );
});

test.for([
  [1, 16],
  [2, 24],
  [3, 28],
] as const)(
  "refuses every truncation of suite %i, another format, an unknown suite and version 0",
  ([suite, nonceBytes]) => {
    const whole = encodeCiphertext({
      keyId: randomUUID() as KeyId,
      keyVersion: 7,
      suite,
      nonce: randomBytes(nonceBytes),
      sealed: randomBytes(16),
    });
    for (let length = 0; length < whole.byteLength; length++)
      expect(refused(whole.subarray(0, length))).toBe(true);
    expect(refused(whole)).toBe(false);
    const changed = (at: number, value: number) =>
      Uint8Array.from(whole, (byte, i) => (i === at ? value : byte));
    expect(refused(changed(0, 0xc2))).toBe(true);
    for (const unknown of [0, 4, 255]) expect(refused(changed(1, unknown))).toBe(true);
    expect(refused(changed(21, 0))).toBe(true);
  },
);

test("encodes no parts that it could not parse", () => {
  const good = {
    keyId: randomUUID() as KeyId,
    keyVersion: 1,
    suite: 1,
    nonce: randomBytes(16),
    sealed: randomBytes(16),
  } as const;
  for (const bad of [
    { keyVersion: 0 },
    { keyVersion: 2 ** 32 },
    { keyVersion: 1.5 },
    { nonce: randomBytes(15) },
    { suite: 2 as const },
  ]) {
    expect(() => encodeCiphertext({ ...good, ...bad })).toThrow(RangeError);
  }
  expect(() => encodeCiphertext({ ...good, keyId: "no" as KeyId })).toThrow(TypeError);
});
