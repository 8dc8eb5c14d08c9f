/** A shared value that several users may hold while it is dropped from the cache. */
interface Entry<Value> {
  readonly loading: Promise<Value>;
  value: Value | undefined;
  users: number;
  /** Used since the hand last came by. */
  used: boolean;
  dropped: boolean;
}

/**
 * A bounded cache of handles, filled once for concurrent misses. A value is released when it was dropped and nobody uses
 * it any more. A value whose loading was overtaken by `drop` is given to those who waited for it and not kept.
 *
 * Who makes room is found by the clock algorithm: a hand goes round, spares what was used since it last came by, and
 * drops the first that was not. A hit only sets a mark. Moving the entry to the end of the map instead, as exact
 * least-recently-used order needs, leaves holes that the map must skip and rehash: a tenth of the event loop at 20,000
 * entries.
 */
export class BoundedCache<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #limit: number;
  readonly #release: (value: Value) => void;
  #hand: MapIterator<[string, Entry<Value>]>;

  constructor(limit: number, release: (value: Value) => void) {
    this.#limit = limit;
    this.#release = release;
    this.#hand = this.#entries.entries();
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value if it is there, for values that stay valid when they are released. */
  find(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry?.value === undefined) return undefined;
    entry.used = true;
    return entry.value;
  }

  /** Runs `use` with the value, which stays valid until `use` has settled. */
  async use<Result>(
    key: string,
    load: () => Promise<Value>,
    use: (value: Value) => Promise<Result>,
  ): Promise<Result> {
    const entry = this.#enter(key, load);
    entry.users += 1;
    try {
      return await use(entry.value ?? (await entry.loading));
    } finally {
      entry.users -= 1;
      this.#releaseIfDone(entry);
    }
  }

  /** Drops the values whose key or value `which` picks; values that are still loading are all dropped. */
  drop(which: (key: string, value: Value) => boolean): void {
    for (const [key, entry] of this.#entries) {
      if (entry.value === undefined || which(key, entry.value)) this.#remove(key, entry);
    }
  }

  dropKey(key: string): void {
    const entry = this.#entries.get(key);
    if (entry) this.#remove(key, entry);
  }

  #enter(key: string, load: () => Promise<Value>): Entry<Value> {
    const found = this.#entries.get(key);
    if (found) {
      found.used = true;
      return found;
    }
    if (this.#entries.size >= this.#limit) this.#makeRoom();
    const entry: Entry<Value> = { loading: load(), value: undefined, users: 0, used: false, dropped: false };
    this.#entries.set(key, entry);
    entry.loading.then(
      (value) => {
        entry.value = value;
        this.#releaseIfDone(entry);
      },
      () => this.#remove(key, entry),
    );
    return entry;
  }

  /** Ends, for on its second round the hand finds no mark. */
  #makeRoom(): void {
    while (this.#entries.size >= this.#limit) {
      const { done, value } = this.#hand.next();
      if (done) this.#hand = this.#entries.entries();
      else if (value[1].used) value[1].used = false;
      else this.#remove(...value);
    }
  }

  #remove(key: string, entry: Entry<Value>): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
    entry.dropped = true;
    this.#releaseIfDone(entry);
  }

  #releaseIfDone(entry: Entry<Value>): void {
    if (!entry.dropped || entry.users > 0 || entry.value === undefined) return;
    const { value } = entry;
    entry.value = undefined;
    this.#release(value);
  }
}
