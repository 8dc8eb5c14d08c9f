import type { TokenId } from "../ids.ts";

/** Tokens that expired or were revoked before a time: no request is let in by one, with its row or without. */
export interface EndedTokenStore {
  listEndedTokens(input: { endedBeforeMs: number; limit: number }): Promise<readonly TokenId[]>;
  /** Drops those of them that ended before. Returns how many. */
  dropEndedTokens(input: { ids: readonly TokenId[]; endedBeforeMs: number }): Promise<number>;
}
