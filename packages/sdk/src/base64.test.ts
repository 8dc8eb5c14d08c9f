import { describe, expect, it } from "vitest";
import { fromBase64, toBase64 } from "./base64.ts";

// RFC 4648 §10.
const VECTORS = [
  ["", ""],
  ["f", "Zg=="],
  ["fo", "Zm8="],
  ["foo", "Zm9v"],
  ["foob", "Zm9vYg=="],
  ["fooba", "Zm9vYmE="],
  ["foobar", "Zm9vYmFy"],
] as const;

describe("base64", () => {
  it.each(VECTORS)("of %j is %j", (text, encoded) => {
    const bytes = new TextEncoder().encode(text);
    expect(toBase64(bytes)).toBe(encoded);
    expect(fromBase64(encoded)).toEqual(bytes);
  });

  it("encodes only the bytes of a view, not the memory around them", () => {
    expect(toBase64(new TextEncoder().encode("xfoox").subarray(1, 4))).toBe("Zm9v");
  });

  it("decodes into memory of its own, which no pool shares", () => {
    expect(fromBase64("Zm9v").buffer.byteLength).toBe(3);
  });

  it.each(["Zg", "Zg=", "Z", "Zm9v!", "Zm_v", "Zh=="])("refuses %j", (text) => {
    expect(() => fromBase64(text)).toThrow(SyntaxError);
  });
});
