/** More records than this are never waited for. */
const WANTED_LIMIT = 16;
/** So long nothing came: nothing is coming. */
const QUIET_MS = 0.1;
/** However many come, the first does not wait longer than this. */
const WAIT_LIMIT_MS = 2;

/**
 * When the next group of records is to be written. One half of the requests that are under way is to wait for the disk
 * while the event loop works on the other: smaller groups wake threads and clients more often than there is work for
 * them, and a larger one leaves the event loop without any. How many are under way shows when a group is done: its own
 * records, and those that came meanwhile. Whoever is alone waits for nobody.
 */
export class BatchPace {
  #wanted = 1;
  #waiting = 0;
  #beganMs = 0;
  #grownMs = 0;

  /** A group of `written` records is done, and `waiting` have come meanwhile. */
  written(written: number, waiting: number): void {
    this.#wanted = Math.min(WANTED_LIMIT, Math.ceil((written + waiting) / 2));
    this.#waiting = 0;
  }

  /** Whether so many records are not to wait for more. */
  isEnough(waiting: number): boolean {
    return waiting >= this.#wanted;
  }

  /** Whether so many waiting records are to be written at this time; else it is asked again soon. */
  isDue(waiting: number, nowMs: number): boolean {
    if (this.#waiting === 0) this.#beganMs = nowMs;
    if (waiting > this.#waiting) this.#grownMs = nowMs;
    this.#waiting = waiting;
    return (
      this.isEnough(waiting) || nowMs - this.#grownMs >= QUIET_MS || nowMs - this.#beganMs >= WAIT_LIMIT_MS
    );
  }
}
