import type { StoreMoment } from "../unit/anchors.ts";

/**
 * That the database is, or may be, of an earlier moment than what was served last: restored from a backup, or found
 * older by other means. While a mark stands, every write is refused inside its own transaction (`store-rolled-back`),
 * until a person has accepted it. Marks are kept for ever.
 */
export interface RollbackMark {
  /** UUID. */
  readonly id: string;
  /** `writing`: a restore that is not complete; nothing may serve from the store. */
  readonly state: "writing" | "standing" | "accepted";
  /** One clause for people: `restored from backup … of …`. */
  readonly reason: string;
  /** The moment that the database is of; undefined where it is not known. */
  readonly asOfMs: number | undefined;
  readonly markedAtMs: number;
}

export interface RollbackStore {
  /** The mark that stands; the oldest, if there are several, or the one with this id. */
  readRollback(input: { readonly id?: string }): Promise<RollbackMark | undefined>;
  /** How far the store has come; what a store without any of it has is `0`. */
  readMoment(input: Record<string, never>): Promise<StoreMoment>;
  /** Lets the mark stand, unless one that stands gives the same reason. */
  markRollback(input: { mark: RollbackMark }): Promise<"marked" | "standing">;
  /** Accepts every mark that stands, and begins the epoch, if there was one. Returns those. */
  acceptRollback(input: { by: string; atMs: number; epoch: number }): Promise<readonly RollbackMark[]>;
  /** Those that this person accepted at that time. */
  listAcceptedRollbacks(input: { by: string; atMs: number }): Promise<readonly RollbackMark[]>;
}
