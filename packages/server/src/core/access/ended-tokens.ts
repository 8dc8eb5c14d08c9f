import type { Clock } from "../clock.ts";
import type { EndedTokenStore } from "../ports/ended-token-store.ts";

const DAY_MS = 86_400_000;
/** How long a token that has ended is still shown, and refused by the name of its end. */
const KEEP_ENDED_TOKENS_MS = 30 * DAY_MS;
const LOOK_MS = 3_600_000;
const BATCH = 500;

/**
 * Drops the rows of tokens that expired or were revoked thirty days ago, which sign-ins would heap up for ever. Whoever
 * calls with one is `unauthenticated` afterwards; the audit log keeps who had it, and who revoked it. A look drops one
 * batch; when there may be more, the next look goes on, else one an hour is enough.
 */
export class EndedTokens {
  readonly #ports: { readonly store: EndedTokenStore; readonly clock: Clock };
  #nextMs = Number.NEGATIVE_INFINITY;

  constructor(ports: { store: EndedTokenStore; clock: Clock }) {
    this.#ports = ports;
  }

  /** Returns how many it has dropped. */
  async drop(): Promise<number> {
    const { store, clock } = this.#ports;
    const nowMs = clock.nowMs();
    if (nowMs < this.#nextMs) return 0;
    const endedBeforeMs = nowMs - KEEP_ENDED_TOKENS_MS;
    const ids = await store.listEndedTokens({ endedBeforeMs, limit: BATCH });
    const dropped = ids.length === 0 ? 0 : await store.dropEndedTokens({ ids, endedBeforeMs });
    // What has failed is tried again at the next look, and not in an hour.
    if (ids.length < BATCH) this.#nextMs = nowMs + LOOK_MS;
    return dropped;
  }
}
