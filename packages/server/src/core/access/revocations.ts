import type { TokenStore } from "../ports/store.ts";

/**
 * The count of what was withdrawn (keys that were disabled, principals, tokens), as it was last read, and what is kept
 * in memory on its word. Whoever admits a request notes the count, and reads it again before a reply that bears a key
 * leaves: if it has moved, the request is admitted anew or refused. Caches save work; they are never the truth.
 */
export class Revocations {
  readonly #store: Pick<TokenStore, "readRevocations">;
  readonly #forget: readonly (() => void)[];
  #seen = 0;
  #reading: Promise<number> | undefined;

  /** `forget`: drops what is cached of principals and keys. */
  constructor(store: Pick<TokenStore, "readRevocations">, forget: readonly (() => void)[]) {
    this.#store = store;
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

  async #readNow(): Promise<number> {
    const count = await this.#store.readRevocations({});
    if (count !== this.#seen) {
      for (const forget of this.#forget) forget();
      this.#seen = count;
    }
    return count;
  }
}
