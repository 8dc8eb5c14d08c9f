import type { Clock } from "../clock.ts";
import { Failure } from "../errors.ts";
import type { TokenStore } from "../ports/store.ts";

/** So old a count may be, that what another process withdraws ends here within a second. */
const LATELY_MS = 500;
/** How often a count is read whose answer comes late. */
const READS = 4;

export interface RevocationsPorts {
  readonly store: Pick<TokenStore, "readRevocations">;
  readonly clock: Clock;
}

/**
 * The count of what was withdrawn (keys that were disabled, principals, tokens), as it was last read, and what is kept
 * in memory on its word. Whoever admits a request notes the count, and reads it again before a reply that bears a key
 * leaves: if it has moved, the request is admitted anew or refused. Caches save work; they are never the truth.
 */
export class Revocations {
  readonly #ports: RevocationsPorts;
  readonly #forget: readonly (() => void)[];
  #seen = 0;
  /** When the read began that found this count. */
  #readMs = -Infinity;
  /** How often something was withdrawn by this process. */
  #withdrawals = 0;
  #reading: Promise<number> | undefined;

  /** `forget`: drops what is cached of principals and keys. */
  constructor(ports: RevocationsPorts, forget: readonly (() => void)[]) {
    this.#ports = ports;
    this.#forget = forget;
  }

  /** As last read; what the caches hold is no older than this. */
  get seen(): number {
    return this.#seen;
  }

  /** Something was withdrawn here, and is durable: caches are dropped, and no count that was read before is taken. */
  withdrawn(): void {
    this.#withdrawals += 1;
    this.#forgetAll();
  }

  /**
   * Reads the count afresh, in a read that begins after this call: those who ask within one turn of the event loop
   * share it. Caches are dropped when it has moved.
   * @throws Failure `store-failed` when no answer comes in time to say anything of now.
   */
  read(): Promise<number> {
    this.#reading ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#reading = undefined;
        this.#readNow().then(resolve, reject);
      });
    });
    return this.#reading;
  }

  /** Whether the count was read lately; else it is read before a caller is let in on the word of the caches. */
  get isFresh(): boolean {
    const ageMs = this.#ports.clock.nowMs() - this.#readMs;
    return ageMs >= 0 && ageMs < LATELY_MS;
  }

  /** An answer may be overtaken by a withdrawal, or be long on its way while this process is stopped: it is asked again. */
  async #readNow(): Promise<number> {
    const { store, clock } = this.#ports;
    for (let late = 0; late < READS;) {
      const [beganMs, withdrawals] = [clock.nowMs(), this.#withdrawals];
      const count = await store.readRevocations({});
      if (withdrawals !== this.#withdrawals) continue;
      // It never goes down; answers may come in another order than they were asked for.
      if (count > this.#seen) {
        this.#seen = count;
        this.#forgetAll();
      }
      if (clock.nowMs() - beganMs < LATELY_MS) {
        this.#readMs = beganMs;
        return this.#seen;
      }
      late += 1;
    }
    throw new Failure("store-failed", "The database answers too late to say what was revoked.");
  }

  #forgetAll(): void {
    for (const forget of this.#forget) forget();
  }
}
