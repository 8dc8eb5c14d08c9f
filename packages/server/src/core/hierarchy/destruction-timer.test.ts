import { expect, test } from "vitest";
import type { Clock } from "../clock.ts";
import { DestructionTimer } from "./destruction-timer.ts";

/** A clock whose sleepers are woken one by one, as the test says. */
class SteppedClock implements Clock {
  readonly slept: number[] = [];
  #wake: (() => void) | undefined;
  #asleep: (() => void) | undefined;

  nowMs(): number {
    return 0;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.slept.push(ms);
    return new Promise((resolve) => {
      signal?.addEventListener("abort", () => resolve(), { once: true });
      this.#wake = resolve;
      this.#asleep?.();
    });
  }

  /** Resolves when somebody sleeps. */
  async untilAsleep(): Promise<void> {
    if (!this.#wake) await new Promise<void>((resolve) => (this.#asleep = resolve));
  }

  async again(): Promise<void> {
    this.#wake?.();
    this.#wake = undefined;
    await this.untilAsleep();
  }
}

function timerOf(looks: (() => Promise<{ destroyed: number; left: number }>)[]) {
  const clock = new SteppedClock();
  const raised: string[] = [];
  let looked = 0;
  const timer = new DestructionTimer({
    clock,
    alarms: { raise: (what, detail) => void raised.push(`${what}: ${detail}`) },
    destroyDue: async (limit) => {
      expect(limit).toBe(100);
      looked += 1;
      return (await looks.shift()?.()) ?? { destroyed: 0, left: 0 };
    },
  });
  return { clock, raised, timer, looked: () => looked };
}

test("looks at once after a start, and then every ten seconds", async () => {
  const { clock, timer, looked } = timerOf([]);
  timer.start();
  timer.start();
  await clock.untilAsleep();
  expect([looked(), clock.slept]).toEqual([1, [10_000]]);
  await clock.again();
  expect([looked(), clock.slept]).toEqual([2, [10_000, 10_000]]);
  await timer.stop();
  expect(looked()).toBe(2);
});

test("goes on at once while there are more keys than one look takes, but not for those that it must leave", async () => {
  const { clock, timer, looked } = timerOf([
    async () => ({ destroyed: 100, left: 0 }),
    async () => ({ destroyed: 99, left: 1 }),
  ]);
  timer.start();
  await clock.untilAsleep();
  expect([looked(), clock.slept]).toEqual([2, [10_000]]);
  await timer.stop();
});

test("an error is an alarm, and the next look comes all the same", async () => {
  const { clock, raised, timer, looked } = timerOf([() => Promise.reject(new Error("the disk is full"))]);
  timer.start();
  await clock.untilAsleep();
  expect(raised).toEqual(["destruction-failed: the disk is full"]);
  await clock.again();
  expect([looked(), raised.length]).toEqual([2, 1]);
  await timer.stop();
});
