import type { Clock } from "../clock.ts";
import { randomNonce } from "../crypto/random.ts";
import { Failure } from "../errors.ts";

/** How long a person may take at the issuer. */
const NONCE_LIFE_MS = 600_000;
/** Nonces that are remembered at once; the oldest is forgotten first. */
const NONCES_LIMIT = 10_000;
/** Failures that may follow each other at once, and how many a second are forgiven. */
const FAILURES_AT_ONCE = 20;
const FORGIVEN_PER_SECOND = 1;

/**
 * Sign-ins under way: the nonces that were given out, each good for ten minutes and one sign-in, and a token bucket
 * of failures for all who sign in together. Both are in the memory of this daemon: after a restart people begin anew.
 */
export class SignIns {
  readonly #clock: Clock;
  /** Nonce → when it ends, in the order in which they were given out. */
  readonly #nonces = new Map<string, number>();
  #failuresLeft = FAILURES_AT_ONCE;
  #forgivenAtMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#forgivenAtMs = clock.nowMs();
  }

  /** A nonce to put into the request to the issuer, and when it ends. */
  begin(): { readonly nonce: string; readonly expiresAtMs: number } {
    const nonce = Buffer.from(randomNonce(32)).toString("base64url");
    const expiresAtMs = this.#clock.nowMs() + NONCE_LIFE_MS;
    this.#nonces.set(nonce, expiresAtMs);
    const [oldest] = this.#nonces.keys();
    if (this.#nonces.size > NONCES_LIMIT && oldest !== undefined) this.#nonces.delete(oldest);
    return { nonce, expiresAtMs };
  }

  /** Uses a nonce up. @throws Failure `sign-in-refused` for one that was not given out, has ended, or was used. */
  use(nonce: string): void {
    const expiresAtMs = this.#nonces.get(nonce);
    this.#nonces.delete(nonce);
    if (expiresAtMs === undefined || expiresAtMs <= this.#clock.nowMs()) throw new Failure("sign-in-refused");
  }

  /**
   * Does one attempt, unless too many failed lately. It counts as failed from its begin until it has succeeded, so that
   * many at once are not let in together; a failure that is not the caller's is not counted.
   * @throws Failure `rate-limited`, and what the attempt throws.
   */
  async attempt<Result>(act: () => Promise<Result>): Promise<Result> {
    this.#forgive();
    if (this.#failuresLeft < 1) throw new Failure("rate-limited", "too many sign-ins failed");
    this.#failuresLeft -= 1;
    try {
      const result = await act();
      this.#failuresLeft += 1;
      return result;
    } catch (error) {
      const callersOwn = error instanceof Failure && error.category === "unauthenticated";
      if (!callersOwn) this.#failuresLeft += 1;
      throw error;
    }
  }

  #forgive(): void {
    const nowMs = this.#clock.nowMs();
    const forgiven = (Math.max(0, nowMs - this.#forgivenAtMs) * FORGIVEN_PER_SECOND) / 1000;
    this.#failuresLeft = Math.min(FAILURES_AT_ONCE, this.#failuresLeft + forgiven);
    this.#forgivenAtMs = nowMs;
  }
}
