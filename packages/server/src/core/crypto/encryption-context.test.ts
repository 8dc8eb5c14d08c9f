import fc from "fast-check";
import { expect, test } from "vitest";
import { isFailure } from "../errors.ts";
import type { EncryptionContext } from "./encryption-context.ts";
import { CONTEXT_LIMITS, encodeContext } from "./encryption-context.ts";

const text = (minLength: number) => fc.string({ unit: "binary", minLength, maxLength: 12 });
const pairs = fc.uniqueArray(fc.tuple(text(1), text(0)), { maxLength: 8, selector: ([name]) => name });

function hexOf(context: EncryptionContext): string {
  return Buffer.from(encodeContext(context)).toString("hex");
}

function refused(context: unknown): boolean {
  try {
    encodeContext(context as EncryptionContext);
    return false;
  } catch (error) {
    return isFailure(error, "invalid-request") && error.field === "context";
  }
}

/** Reads the canonical bytes back: what can be read back in one way only was written without loss. */
function decode(bytes: Uint8Array): [string, string][] {
  const buffer = Buffer.from(bytes);
  let at = 4;
  const field = (): string => {
    const length = buffer.readUInt32BE(at);
    at += 4 + length;
    return buffer.toString("utf8", at - length, at);
  };
  const read = Array.from({ length: buffer.readUInt32BE(0) }, (): [string, string] => [field(), field()]);
  expect(at).toBe(buffer.byteLength);
  return read;
}

test("is injective: the pairs can be read back from the bytes, in the order of the names' bytes", () => {
  fc.assert(
    fc.property(pairs, (given) => {
      const sorted = [...given].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(decode(encodeContext(new Map(given)))).toEqual(sorted);
    }),
  );
});

test("is free of order, and the same for a map and an object", () => {
  fc.assert(
    fc.property(pairs, fc.infiniteStream(fc.nat()), (given, random) => {
      const shuffled = given.map((pair) => ({ pair, by: random.next().value })).sort((a, b) => a.by - b.by);
      const other = new Map(shuffled.map(({ pair }) => pair));
      expect(hexOf(other)).toBe(hexOf(new Map(given)));
      expect(hexOf(Object.fromEntries(given))).toBe(hexOf(new Map(given)));
    }),
  );
});

test("sorts by UTF-8 bytes, not by UTF-16 units", () => {
  expect(decode(encodeContext({ "\u{1F511}": "key", "\uFF5E": "tilde" })).map(([name]) => name)).toEqual([
    "\uFF5E",
    "\u{1F511}",
  ]);
});

test("moves no byte between name, value and pair", () => {
  const alike: EncryptionContext[] = [
    { ab: "c" },
    { a: "bc" },
    { abc: "" },
    { a: "b", c: "" },
    { a: "", b: "c" },
    {},
  ];
  expect(new Set(alike.map(hexOf)).size).toBe(alike.length);
});

test("takes __proto__ and constructor as the names that they are", () => {
  const parsed = JSON.parse('{"__proto__":"a","constructor":"b"}') as EncryptionContext;
  expect(decode(encodeContext(parsed))).toEqual([
    ["__proto__", "a"],
    ["constructor", "b"],
  ]);
  expect(hexOf(Object.create({ inherited: "x" }) as EncryptionContext)).toBe(hexOf({}));
});

test("refuses lone surrogates, empty names and what is no string", () => {
  for (const bad of [
    { "\uD800": "" },
    { a: "\uDC00b" },
    { "": "x" },
    { a: 1 },
    { a: null },
    { a: { b: "c" } },
  ]) {
    expect(refused(bad)).toBe(true);
  }
});

test("keeps its limits", () => {
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, ""]));
  expect(refused(many(CONTEXT_LIMITS.pairs))).toBe(false);
  expect(refused(many(CONTEXT_LIMITS.pairs + 1))).toBe(true);
  expect(refused({ ["é".repeat(128)]: "" })).toBe(false);
  expect(refused({ ["é".repeat(128) + "e"]: "" })).toBe(true);
  expect(refused({ a: "x".repeat(4096) })).toBe(false);
  expect(refused({ a: "x".repeat(4097) })).toBe(true);
  expect(refused({ a: "x".repeat(4095), b: "x".repeat(4095) })).toBe(false);
  expect(refused({ a: "x".repeat(4095), b: "x".repeat(4096) })).toBe(true);
});
