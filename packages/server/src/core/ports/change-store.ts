import type { ChangeId, GroupName, KekId, MasterKeyType, ProjectId, UnitAddress, Vp } from "../ids.ts";
import type { Change, Fence, HistoryEntry } from "../master-key-change/change.ts";
import type { Advance } from "../master-key-change/transitions.ts";
import type { KekRefusal } from "../unit/crypto-unit.ts";
import type { Audited, Page, PageOf } from "./store-call.ts";

/*
 * The part of the store that the master-key change lives by: fences, changes, the rows that are re-enciphered, sweeps and
 * the census. The contract on store.ts holds for it.
 */

export interface FenceRef {
  readonly group: GroupName;
  readonly type: MasterKeyType;
}

export interface ChangeStore {
  /** Only for the first master key of a group and type; it is there for ever. */
  createFence(input: Audited & FenceRef & { currentVp: Vp; atMs: number }): Promise<"created" | "exists">;
  readFence(input: FenceRef): Promise<Fence | undefined>;
  listFences(input: Record<string, never>): Promise<readonly Fence[]>;
  /** Opens the change if no other is open, none is being purged, and the fence's CURRENT is its `from`. */
  openChange(
    input: Audited & {
      change: Change;
      note: string;
    },
  ): Promise<"opened" | "current-differs" | { readonly open: Change }>;
  readChange(input: { id: ChangeId }): Promise<Change | undefined>;
  /** The newest first. `openOnly`: those that hold a fence, and those whose purge is approved. */
  listChanges(input: Page & { openOnly: boolean }): Promise<PageOf<Change>>;
  readHistory(input: { id: ChangeId }): Promise<readonly HistoryEntry[]>;
  /**
   * Takes the fence exclusively and does the advance, if change state and generation are still those that were read
   * and nothing is left of what must be none. The generation goes up by one.
   */
  transition(input: Audited & Transition): Promise<"done" | "moved" | { readonly left: number }>;
  /** Changes what is not state, if the change still is in `state`; approves no purge while another change is open. */
  amendChange(
    input: Audited & {
      id: ChangeId;
      state: Change["state"];
      amendment: ChangeAmendment;
      entry: HistoryEntry | undefined;
    },
  ): Promise<"done" | "moved">;
}

export interface Transition {
  readonly change: Change;
  /** Of the fence, as it was read. */
  readonly generation: number;
  readonly advance: Advance;
  readonly amendment: ChangeAmendment;
  readonly entry: HistoryEntry;
}

export type ChangeAmendment = Partial<Pick<Change, "paused" | "blockedReason" | "approval" | "canary">>;

/** A KEK row that a worker holds. `n` orders rows; `rowVersion` is what the write is conditional on. */
export interface RewrapRow {
  readonly n: number;
  readonly rowVersion: number;
  readonly projectId: ProjectId;
  readonly kekId: KekId;
  readonly kcv: Uint8Array;
  readonly blob: Uint8Array;
  /** The form of before an earlier change, when it is under the target: a restore uses it again. */
  readonly reusable: Uint8Array | undefined;
}

export interface Lease {
  /** Names the worker; a worker has one lease at a time. */
  readonly owner: string;
  readonly nowMs: number;
  readonly untilMs: number;
}

/** What a worker's write is conditional on, besides the version of each row. */
export interface WorkOrder {
  readonly changeId: ChangeId;
  readonly generation: number;
}

export interface ClaimRequest {
  readonly lease: Lease;
  readonly limit: number;
  /** `untried` rows come first; `failed` ones, the fewest attempts first, if they failed before `failedBeforeMs`. */
  readonly which: { readonly rows: "untried" } | { readonly rows: "failed"; readonly failedBeforeMs: number };
}

export interface RewrapOutcome {
  readonly n: number;
  readonly rowVersion: number;
  readonly outcome: { readonly blob: Uint8Array } | { readonly refused: KekRefusal };
}

/** `moved`: the change or its generation is another one; nothing was written. */
export type Claimed = "moved" | { readonly rows: readonly RewrapRow[]; readonly written: number };

export interface RewrapStore {
  /** Rows that lack a form under the target and that no other worker holds. */
  claimRows(input: WorkOrder & ClaimRequest): Promise<Claimed>;
  /** Writes the outcomes and, in the same transaction, claims the next rows if `next` is given. */
  commitRows(
    input: WorkOrder & {
      outcomes: readonly RewrapOutcome[];
      nowMs: number;
      next: ClaimRequest | undefined;
    },
  ): Promise<Claimed>;
  /** Leases of workers that are no more: at start, all of them. */
  dropLeases(input: Record<string, never>): Promise<void>;
  /** FINALIZING: forms move on in at most `limit` rows. Returns how many. */
  finalizeRows(input: WorkOrder & { limit: number }): Promise<"moved" | number>;
  /** CANCELING: drops the second form of at most `limit` rows. */
  dropNextForms(input: WorkOrder & { limit: number }): Promise<"moved" | number>;
  /** DONE, purge approved: drops the old form of at most `limit` rows. `generation` as read, no change open. */
  dropOldForms(input: WorkOrder & { limit: number }): Promise<"moved" | number>;
}

/** Opening of every row on one unit, in the order of `n`. */
export interface Sweep {
  readonly unit: UnitAddress;
  /** Rows up to this `n` were tried. */
  readonly cursor: number;
  readonly opened: number;
  /** Rows that did not open, oldest first, at most 100; they are tried again before the sweep is complete. */
  readonly refused: readonly number[];
  /** Nothing was left to try when the sweep last looked. */
  readonly complete: boolean;
}

export interface SweepStore {
  readSweeps(input: { changeId: ChangeId }): Promise<readonly Sweep[]>;
  /** Rows after the cursor (or exactly those of `only`) with their form under `vp`; rows that have none are left out. */
  readSweepRows(
    input: FenceRef & {
      vp: Vp;
      after: number;
      only: readonly number[] | undefined;
      limit: number;
    },
  ): Promise<{
    readonly rows: readonly RewrapRow[];
    readonly lacking: readonly number[];
    readonly last: number;
  }>;
  writeSweep(input: { changeId: ChangeId; sweep: Sweep }): Promise<void>;
}

/** How many rows carry which pattern as form in use, second form, and form of before. */
export interface CensusLine {
  readonly vp: Vp;
  readonly current: number;
  readonly next: number;
  readonly previous: number;
}

export interface RowProgress {
  readonly keks: number;
  /** Rows without a form under the target. */
  readonly lacking: number;
  /** Of these, rows whose last attempt of this change failed. */
  readonly failed: number;
  readonly underFrom: number;
  readonly withTargetAsNext: number;
  readonly keepingFrom: number;
}

export interface FailedRow {
  readonly projectId: ProjectId;
  readonly kekId: KekId;
  readonly reason: string;
  readonly attempt: number;
  readonly atMs: number;
}

export interface CensusStore {
  census(input: FenceRef): Promise<readonly CensusLine[]>;
  /** Counts for a change; `to` may not be known yet. */
  countProgress(input: FenceRef & { changeId: ChangeId; from: Vp; to: Vp | undefined }): Promise<RowProgress>;
  listFailedRows(input: { changeId: ChangeId; limit: number }): Promise<readonly FailedRow[]>;
  /** Rows spread evenly over all, with their form in use: what `plan` opens. */
  sampleRows(input: FenceRef & { limit: number }): Promise<readonly (RewrapRow & { readonly vp: Vp })[]>;
  /** Every pattern that master keys of the group ever had: a restored backup can name its key. */
  listPatterns(input: FenceRef): Promise<readonly { readonly vp: Vp; readonly firstSeenMs: number }[]>;
}
