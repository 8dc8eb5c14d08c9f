import { expect, test } from "vitest";
import { CKF } from "./cryptoki.ts";
import { clockAheadMs } from "./token-clock.ts";

const NOW_MS = Date.parse("2026-02-03T04:05:06Z");
const ahead = (utcTime: string, flags: number = CKF.CLOCK_ON_TOKEN) =>
  clockAheadMs({ flags, utcTime }, NOW_MS);

test("says how far a token's clock is ahead, or behind", () => {
  expect(ahead("2026020304050600")).toBe(0);
  expect(ahead("2026020304060600")).toBe(60_000);
  expect(ahead("2026020304040600")).toBe(-60_000);
});

test("reads no time where there is no clock, nor one of another form", () => {
  expect(ahead("2026020304050600", 0)).toBe("none");
  for (const other of ["23:24:11", "", "2026133304050600"]) expect(ahead(other)).toBe("unreadable");
});
