import { expect, test } from "vitest";
import { ModuleMemory } from "./module-memory.ts";

const MIB = 1024 * 1024;

test("memory is used up when it has grown by 256 MiB since the module began, and then is measured anew", () => {
  let usedBytes = 100 * MIB;
  const memory = new ModuleMemory(() => usedBytes);
  const afterRequests = (count: number): boolean =>
    Array.from({ length: count }, () => memory.isUsedUp()).some(Boolean);
  expect(afterRequests(5000)).toBe(false);
  usedBytes += 255 * MIB;
  expect(afterRequests(5000)).toBe(false);
  usedBytes += MIB;
  expect(afterRequests(999)).toBe(false);
  expect(afterRequests(1)).toBe(true);
  expect(afterRequests(5000)).toBe(false);
  usedBytes += 256 * MIB;
  expect(afterRequests(1000)).toBe(true);
});
