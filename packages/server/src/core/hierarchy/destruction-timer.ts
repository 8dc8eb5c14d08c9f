import type { Clock } from "../clock.ts";
import type { Alarms } from "../ports/alarms.ts";

/** How often it looks: a key that waits was refused all the time, so that nobody notices the seconds. */
const LOOK_MS = 10_000;
const BATCH = 100;

/** Destroys at most `limit` due keys; says how many it did, and how many it had to leave. */
export type DestroyDue = (limit: number) => Promise<{ readonly destroyed: number; readonly left: number }>;

/**
 * Has keys destroyed when their time has come: at once after a start, for those that became due while no daemon ran, and
 * from then on every few seconds. It looks at the clock each time and never sleeps towards a date, so that no clock that
 * is put back, and no machine that slept, lets it destroy a key before its time. An error ends the look, not the timer.
 */
export class DestructionTimer {
  readonly #ports: { readonly clock: Clock; readonly alarms: Alarms; readonly destroyDue: DestroyDue };
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(ports: { clock: Clock; alarms: Alarms; destroyDue: DestroyDue }) {
    this.#ports = ports;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when the look that is under way is over. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const more = await this.#look();
      if (!more) await this.#ports.clock.sleep(LOOK_MS, signal);
    }
  }

  /** Returns whether more keys may be due that can be destroyed at once. */
  async #look(): Promise<boolean> {
    try {
      const { destroyed, left } = await this.#ports.destroyDue(BATCH);
      return left === 0 && destroyed === BATCH;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#ports.alarms.raise("destruction-failed", reason);
      return false;
    }
  }
}
