import { describe, expect, test } from "vitest";
import { PolitePace } from "./polite-pace.ts";

const BATCH = { rows: 100, elapsedMs: 10, rowsPerSecond: undefined };

/** A pace, the pauses that it made, and an event loop that is as busy as it is told to be. */
function paced() {
  const pauses: number[] = [];
  const clock = {
    nowMs: () => 0,
    sleep: (ms: number) => {
      pauses.push(ms);
      return Promise.resolve();
    },
  };
  let loop = { idle: 0, active: 0, utilization: 0 };
  const pass = (ms: number, utilization: number) => {
    loop = {
      idle: loop.idle + ms * (1 - utilization),
      active: loop.active + ms * utilization,
      utilization: 0,
    };
  };
  const pace = new PolitePace(clock, () => loop);
  const after = async (batch: typeof BATCH | { rowsPerSecond: number; rows: number; elapsedMs: number }) => {
    pauses.length = 0;
    await pace.afterBatch(batch, new AbortController().signal);
    return pauses[0] ?? 0;
  };
  return { pass, after };
}

describe("the pace of re-enciphering", () => {
  test("makes no pause while clients leave the event loop idle", async () => {
    const { pass, after } = paced();
    pass(100, 0.3);
    expect(await after(BATCH)).toBe(0);
  });

  test("makes longer pauses the busier clients keep the event loop", async () => {
    const { pass, after } = paced();
    const pauses: number[] = [];
    for (const utilization of [0.5, 0.6, 0.7, 0.8]) {
      pass(100, utilization);
      pauses.push(await after(BATCH));
    }
    expect(pauses[0]).toBeGreaterThan(0);
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
    expect(new Set(pauses).size).toBe(pauses.length);
  });

  test("bounds a pause, however busy the event loop is and however long the batch took", async () => {
    const { pass, after } = paced();
    pass(100, 1);
    expect(await after({ ...BATCH, elapsedMs: 5_000 })).toBe(25);
  });

  test("goes at full speed again once clients have gone", async () => {
    const { pass, after } = paced();
    pass(100, 0.9);
    expect(await after(BATCH)).toBeGreaterThan(0);
    pass(100, 0.1);
    expect(await after(BATCH)).toBe(0);
  });

  test("does not take a short look for the state of the event loop", async () => {
    const { pass, after } = paced();
    pass(100, 0.1);
    expect(await after(BATCH)).toBe(0);
    pass(10, 1);
    expect(await after(BATCH)).toBe(0);
  });

  test("keeps below the rate that the change sets, on an idle event loop too", async () => {
    const { pass, after } = paced();
    pass(100, 0);
    expect(await after({ rows: 100, elapsedMs: 10, rowsPerSecond: 1_000 })).toBe(90);
  });
});
