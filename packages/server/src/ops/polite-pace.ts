import { performance } from "node:perf_hooks";
import type { EventLoopUtilization } from "node:perf_hooks";
import type { Clock } from "../core/clock.ts";
import type { PacedBatch, Pace } from "../core/master-key-change/pace.ts";

/*
 * - Up to FREE_UTILIZATION of the event loop nobody waits: the batches themselves make it that busy, without any client.
 * - Above it, each batch is followed by a pause that grows with what clients leave of the loop.
 * - No pause is longer than LONGEST_PAUSE_MS. On a machine that is overwhelmed a batch takes long because others are
 *   served first; a pause in proportion to that would starve the change, and would not help anybody.
 */
const FREE_UTILIZATION = 0.35;
const LONGEST_PAUSE_MS = 25;
/** Shorter looks than this at the event loop say more about the last batch than about clients. */
const SHORTEST_LOOK_MS = 50;

/**
 * Re-enciphering goes as fast as it can while clients leave the event loop idle, and steps back as they keep it busy.
 */
export class PolitePace implements Pace {
  readonly #clock: Clock;
  readonly #look: () => EventLoopUtilization;
  #last: EventLoopUtilization;
  #utilization = 0;

  /** `look` reads how long the event loop has been idle and active; given by tests. */
  constructor(clock: Clock, look: () => EventLoopUtilization = () => performance.eventLoopUtilization()) {
    this.#clock = clock;
    this.#look = look;
    this.#last = look();
  }

  async afterBatch(batch: PacedBatch, signal: AbortSignal): Promise<void> {
    const waitMs = Math.max(politeWaitMs(this.#measure(), batch.elapsedMs), boundWaitMs(batch));
    if (waitMs >= 1) await this.#clock.sleep(waitMs, signal);
  }

  /** Share of the time since the look before in which the event loop was busy. */
  #measure(): number {
    const now = this.#look();
    const active = now.active - this.#last.active;
    const total = active + now.idle - this.#last.idle;
    if (total >= SHORTEST_LOOK_MS) {
      this.#utilization = active / total;
      this.#last = now;
    }
    return this.#utilization;
  }
}

function politeWaitMs(utilization: number, elapsedMs: number): number {
  const busy = (utilization - FREE_UTILIZATION) / (1 - FREE_UTILIZATION);
  if (busy <= 0) return 0;
  return busy >= 1 ? LONGEST_PAUSE_MS : Math.min(LONGEST_PAUSE_MS, (elapsedMs * busy) / (1 - busy));
}

function boundWaitMs(batch: PacedBatch): number {
  if (batch.rowsPerSecond === undefined) return 0;
  return (batch.rows / batch.rowsPerSecond) * 1000 - batch.elapsedMs;
}
