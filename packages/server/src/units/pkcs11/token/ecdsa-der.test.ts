import { generateKeyPairSync, sign, verify } from "node:crypto";
import { expect, test } from "vitest";
import { ecdsaDer } from "./ecdsa-der.ts";

const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");

test.each([
  ["0101", "30060201010201 01"],
  ["7f80", "300702017f02020080"],
  ["0001007f", "300602010102017f"],
  ["00800000", "300702020080020100"],
  ["ff00fe00", "300a020300ff00020300fe00"],
])("r and s of %s are the shortest signed numbers", (signature, der) => {
  expect(Buffer.from(ecdsaDer(bytes(signature))).toString("hex")).toBe(der.replace(" ", ""));
});

test.each(["prime256v1", "secp384r1"])(
  "node:crypto verifies what becomes of signatures of %s",
  (namedCurve) => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve });
    // Enough for numbers that begin with a zero byte.
    for (let i = 0; i < 600; i += 1) {
      const message = Buffer.of(i >> 8, i & 0xff);
      const raw = sign("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" });
      expect(verify("sha256", message, publicKey, ecdsaDer(raw))).toBe(true);
    }
  },
);
