import { performance } from "node:perf_hooks";
import type { EventLoopUtilization } from "node:perf_hooks";
import type { Clock } from "../core/clock.ts";
import type { PacedBatch, Pace } from "../core/master-key-change/pace.ts";

/** Below this share of a busy event loop nobody waits for anybody. */
const FREE_UTILIZATION = 0.15;
/** However busy clients keep the service, re-enciphering gets this share of the time at least. */
const LEAST_SHARE = 0.1;

/**
 * Re-enciphering goes as fast as it can while the event loop is idle, and steps back as clients keep it busy: after
 * each batch it waits in proportion to how busy the loop was.
 */
export class PolitePace implements Pace {
  readonly #clock: Clock;
  #last: EventLoopUtilization = performance.eventLoopUtilization();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async afterBatch(batch: PacedBatch, signal: AbortSignal): Promise<void> {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#last);
    this.#last = now;
    const waitMs = Math.max(politeWaitMs(utilization, batch.elapsedMs), boundWaitMs(batch));
    if (waitMs >= 1) await this.#clock.sleep(waitMs, signal);
  }
}

function politeWaitMs(utilization: number, elapsedMs: number): number {
  if (!(utilization > FREE_UTILIZATION)) return 0;
  const share = Math.max(LEAST_SHARE, 1 - utilization);
  return elapsedMs * (1 / share - 1);
}

function boundWaitMs(batch: PacedBatch): number {
  if (batch.rowsPerSecond === undefined) return 0;
  return (batch.rows / batch.rowsPerSecond) * 1000 - batch.elapsedMs;
}
