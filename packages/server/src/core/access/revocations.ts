import type { Clock } from "../clock.ts";
import type { TokenStore } from "../ports/store.ts";

/** So old the count may be when somebody is let in, that what another process withdraws ends here within a second. */
const LATELY_MS = 500;

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

  /**
   * Reads the count afresh, in a read that begins after this call: those who ask within one turn of the event loop
   * share it. Caches are dropped when it has moved.
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

  /** Reads the count, unless that was done lately: before a caller is let in on the word of the caches. */
  async keepUp(): Promise<void> {
    const ageMs = this.#ports.clock.nowMs() - this.#readMs;
    if (ageMs < 0 || ageMs >= LATELY_MS) await this.read();
  }

  async #readNow(): Promise<number> {
    const beganMs = this.#ports.clock.nowMs();
    const count = await this.#ports.store.readRevocations({});
    this.#readMs = beganMs;
    if (count !== this.#seen) {
      for (const forget of this.#forget) forget();
      this.#seen = count;
    }
    return count;
  }
}
