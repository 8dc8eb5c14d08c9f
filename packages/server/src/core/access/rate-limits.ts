import type { Clock } from "../clock.ts";
import { Failure } from "../errors.ts";
import type { PrincipalId } from "../ids.ts";
import type { PrincipalRecord } from "./principal.ts";

/** Principals whose use is remembered; the one that was idle longest is forgotten first, with a full bucket. */
const LIMIT = 10_000;

interface Bucket {
  tokens: number;
  atMs: number;
}

/**
 * Token buckets, one for each principal that is limited: so many requests a second on average, and as many at once.
 * They are kept in memory and begin full: a limit protects the others, and is no quota.
 */
export class RateLimits {
  readonly #clock: Clock;
  readonly #perSecond: number | undefined;
  readonly #buckets = new Map<PrincipalId, Bucket>();

  /** `perSecond` holds for principals without a limit of their own; undefined: none. */
  constructor(clock: Clock, perSecond: number | undefined) {
    this.#clock = clock;
    this.#perSecond = perSecond;
  }

  /** Counts one request. @throws Failure `rate-limited`. */
  take({ id, requestsPerSecond }: Pick<PrincipalRecord, "id" | "requestsPerSecond">): void {
    const perSecond = requestsPerSecond ?? this.#perSecond;
    if (perSecond === undefined) return;
    const nowMs = this.#clock.nowMs();
    const { tokens, atMs } = this.#buckets.get(id) ?? { tokens: perSecond, atMs: nowMs };
    const filled = Math.min(perSecond, tokens + (Math.max(0, nowMs - atMs) * perSecond) / 1000);
    if (filled < 1) throw new Failure("rate-limited", `at most ${perSecond} requests a second`);
    this.#buckets.delete(id);
    this.#buckets.set(id, { tokens: filled - 1, atMs: nowMs });
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > LIMIT && oldest !== undefined) this.#buckets.delete(oldest);
  }
}
