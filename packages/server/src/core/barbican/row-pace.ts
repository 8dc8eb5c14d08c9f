import type { Clock } from "../clock.ts";

/** Keeps work to so many rows a second, so that a Barbican that uses the same token and database is served meanwhile. */
export class RowPace {
  readonly #clock: Clock;
  readonly #rowsPerSecond: number;
  #dueMs: number;

  /** `Infinity`: as fast as it goes. */
  constructor(clock: Clock, rowsPerSecond: number) {
    this.#clock = clock;
    this.#rowsPerSecond = rowsPerSecond;
    this.#dueMs = clock.nowMs();
  }

  /** Resolves when so many more rows may be begun. Time that was not used is not saved up. */
  async before(rows: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const waitMs = this.#dueMs - nowMs;
    this.#dueMs = Math.max(this.#dueMs, nowMs) + (rows / this.#rowsPerSecond) * 1_000;
    if (waitMs >= 1) await this.#clock.sleep(waitMs, signal);
  }
}
