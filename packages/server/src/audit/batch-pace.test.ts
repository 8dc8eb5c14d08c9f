import { expect, test } from "vitest";
import { BatchPace } from "./batch-pace.ts";

/** A pace that has seen so many records at once: `written` by the group that is done, `waiting` when it was. */
function paceAfter(written: number, waiting: number): BatchPace {
  const pace = new BatchPace();
  pace.written(written, waiting);
  return pace;
}

test("who is alone waits for nobody", () => {
  expect(new BatchPace().isEnough(1)).toBe(true);
  expect(paceAfter(1, 0).isDue(1, 0)).toBe(true);
});

test("waits for one half of those who are under way", () => {
  const pace = paceAfter(12, 8);
  expect([9, 10, 11].map((waiting) => pace.isEnough(waiting))).toEqual([false, true, true]);
});

test("waits for no more than sixteen, however many are under way", () => {
  expect(paceAfter(500, 500).isEnough(15)).toBe(false);
  expect(paceAfter(500, 500).isEnough(16)).toBe(true);
});

test("does not wait when nothing comes", () => {
  const pace = paceAfter(10, 10);
  expect(pace.isDue(2, 100)).toBe(false);
  expect(pace.isDue(3, 100.08)).toBe(false);
  expect(pace.isDue(3, 100.15)).toBe(false); // quiet since the last one came
  expect(pace.isDue(3, 100.18)).toBe(true);
});

test("keeps the first for two milliseconds at most, though they come and come", () => {
  const pace = paceAfter(16, 16);
  const answers = Array.from({ length: 15 }, (_, i) => pace.isDue(i + 1, 50 + i * 0.09));
  expect(answers).toEqual(Array<boolean>(15).fill(false));
  const slow = paceAfter(16, 16);
  let [waiting, nowMs] = [1, 50];
  while (!slow.isDue(waiting, nowMs)) [waiting, nowMs] = [waiting + 0.5, nowMs + 0.099];
  expect(nowMs - 50).toBeLessThanOrEqual(2.1);
});

test("begins anew after each group", () => {
  const pace = paceAfter(10, 10);
  expect(pace.isDue(4, 10)).toBe(false);
  pace.written(4, 0);
  expect(pace.isDue(1, 900)).toBe(false);
  expect(pace.isDue(2, 900)).toBe(true);
});
