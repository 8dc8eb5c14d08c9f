import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { DiskPatience, SLICE_MS, isRunnable } from "./disk-patience.ts";

/** A thread that computes without end, or waits without end, and its number. */
async function thread(how: "computes" | "waits") {
  const code = `
    import { readFileSync } from "node:fs";
    import { parentPort } from "node:worker_threads";
    const task = ${SAYS} ? Number.parseInt(readFileSync("/proc/thread-self/stat", "latin1")) : 0;
    parentPort.postMessage(String(task));
    if (${how === "computes"}) for (;;);
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  const task = await new Promise<string>((resolve) => worker.once("message", resolve));
  await sleep(100);
  return { task, [Symbol.asyncDispose]: async () => void (await worker.terminate()) };
}

/** Whether this system tells the states of threads. */
const SAYS = existsSync("/proc/thread-self/stat");

/** Nothing of this thread runs meanwhile, as when the process is starved or stopped. */
function freeze(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe("how long a disk has had to answer", () => {
  test("is the time that passes while the thread that asks waits", async () => {
    await using asking = await thread("waits");
    const patience = new DiskPatience();
    const beganMs = performance.now();
    patience.begin();
    for (let slices = 1; slices <= 10; slices += 1) {
      await sleep(SLICE_MS);
      patience.end(asking.task);
    }
    expect(patience.spentMs).toBeGreaterThanOrEqual(10 * (SLICE_MS - 1));
    expect(patience.spentMs).toBeLessThanOrEqual(performance.now() - beganMs);
  });

  test("is no more than two slices of the time in which this process did not run", () => {
    const patience = new DiskPatience();
    patience.begin();
    freeze(10 * SLICE_MS);
    patience.end(undefined);
    expect(patience.spentMs).toBe(2 * SLICE_MS);
  });

  test("is not the time between the slices, when nobody asked", () => {
    const patience = new DiskPatience();
    freeze(10 * SLICE_MS);
    patience.begin();
    patience.end(undefined);
    expect(patience.spentMs).toBeLessThan(2 * SLICE_MS);
  });

  test("is not the time in which the thread that asks computes, or would if it were let", async () => {
    await using asking = await thread("computes");
    expect(isRunnable(asking.task)).toBe(SAYS);
    const patience = new DiskPatience();
    patience.begin();
    await sleep(SLICE_MS);
    patience.end(asking.task);
    expect(patience.spentMs === 0).toBe(SAYS);
  });

  test("a thread that has ended waits for no processor", async () => {
    const ended = await thread("waits");
    expect(isRunnable(ended.task)).toBe(false);
    await ended[Symbol.asyncDispose]();
    expect(isRunnable(ended.task)).toBe(false);
  });
});
