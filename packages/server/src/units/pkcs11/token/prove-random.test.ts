import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { randomComplaint } from "./prove-random.ts";

test("takes OpenSSL's generator for a good one", () => {
  expect(randomComplaint(randomBytes(8192))).toBeUndefined();
});

test("finds a generator that is stuck, for a while or altogether", () => {
  const stuck = randomBytes(8192).fill(7, 4000, 4006);
  expect(randomComplaint(stuck)).toBe("the same byte comes 6 times in a row");
  expect(randomComplaint(Buffer.alloc(8192))).toBe("the same byte comes 6 times in a row");
});

test("finds a generator that gives the same again", () => {
  const draw = randomBytes(4096);
  expect(randomComplaint(Buffer.concat([draw, draw]))).toBe("the same 16 bytes come twice");
});
