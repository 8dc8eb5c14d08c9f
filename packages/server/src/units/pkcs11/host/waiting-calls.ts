/** Something that waits for a host, and fails when none comes. */
export interface Waiting {
  /** By `performance.now()`. */
  readonly expiresMs: number;
  expire(): void;
}

/** Calls for which no host runs at the moment, in the order in which they came. They expire one by one. */
export class WaitingCalls<Call extends Waiting> {
  #calls: Call[] = [];
  #timer: NodeJS.Timeout | undefined;
  #looksMs = Infinity;

  get count(): number {
    return this.#calls.length;
  }

  add(call: Call): void {
    this.#calls.push(call);
    if (call.expiresMs < this.#looksMs) this.#lookAt(call.expiresMs);
  }

  /** All of them. None waits here any more. */
  takeAll(): Call[] {
    const calls = this.#calls;
    this.#calls = [];
    this.#lookAt(Infinity);
    return calls;
  }

  #lookAt(timeMs: number): void {
    clearTimeout(this.#timer);
    this.#looksMs = timeMs;
    if (timeMs === Infinity) return;
    // A call that comes back from a host which ended may have no time left.
    this.#timer = setTimeout(() => this.#look(), Math.max(0, timeMs - performance.now()));
  }

  #look(): void {
    const nowMs = performance.now();
    const calls = this.takeAll();
    for (const call of calls) {
      // A timer may come a fraction of a millisecond early.
      if (call.expiresMs - nowMs < 1) call.expire();
      else this.add(call);
    }
  }
}
