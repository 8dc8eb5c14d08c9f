import { monitorEventLoopDelay } from "node:perf_hooks";
import { describe, expect, test } from "vitest";
import { isWithout } from "../set-up/without.ts";
import { ShimmedToken, UnitAtWork } from "./shimmed-unit.ts";

/** What a token takes for one call: one that blocked the daemon for two of them would be seen. */
const CALL_MS = 10;
const BLOCKED_MS = 20;
/** The monitor's own timer. */
const GRAIN_MS = 1;
const IN_FLIGHT = 64;
/** A machine that is busy with something else holds the event loop up too, though not each time; a daemon that waits does. */
const ROUNDS = 8;

describe.skipIf(isWithout("softhsm2"))("a token that takes 10 ms for a call", () => {
  test("never blocks the daemon, while 64 requests are in flight", async () => {
    using shimmed = await ShimmedToken.make();
    const unit = await shimmed.open({
      deadlinesMs: { start: 20_000, quick: 20_000, batch: 20_000, generate: 20_000 },
    });
    const work = await UnitAtWork.of(unit);
    const encrypt = work.works["encrypt"] ?? expect.fail("nothing to do");
    shimmed.shim.set({ fn: "*", delayUs: 1000 * CALL_MS });
    const worstMs: number[] = [];
    do {
      const delay = monitorEventLoopDelay({ resolution: GRAIN_MS });
      const startedMs = performance.now();
      delay.enable();
      await Promise.all(Array.from({ length: IN_FLIGHT }, () => encrypt()));
      delay.disable();
      // Four calls of the token for each, by two hosts.
      expect(performance.now() - startedMs).toBeGreaterThan((IN_FLIGHT * 4 * CALL_MS) / 2);
      worstMs.push(delay.max / 1e6 - GRAIN_MS);
    } while (Math.min(...worstMs) > BLOCKED_MS && worstMs.length < ROUNDS);
    expect(Math.min(...worstMs)).toBeLessThanOrEqual(BLOCKED_MS);
    shimmed.shim.clear();
    await unit.close();
  });
});
