import type { ChangeId, GroupName, MasterKeyType, UnitAddress, Vp } from "../ids.ts";

/** A master-key change as it is kept. It is intent: registers and rows are the truth, and are read again before every step. */
export interface Change {
  readonly id: ChangeId;
  readonly group: GroupName;
  readonly type: MasterKeyType;
  readonly state: ChangeState;
  /** Pattern of the master key that is left. */
  readonly from: Vp;
  /** Pattern of the master key that comes; pinned when the change is STAGED. */
  readonly to: Vp | undefined;
  /** Pattern that whoever opened the change said NEW would have; at least 32 hex digits. */
  readonly expectedVp: string | undefined;
  /** The change that this one takes back, if it is a restore. */
  readonly restores: ChangeId | undefined;
  readonly openedBy: string;
  readonly openedAtMs: number;
  readonly paused: boolean;
  readonly freeze: "none" | "mutations";
  /** Upper bound of re-enciphering; without one it only yields to client traffic. */
  readonly rowsPerSecond: number | undefined;
  /** The unit that activates first. Kept before its command is given. */
  readonly canary: UnitAddress | undefined;
  /** Why the change does not go on by itself. There is no state of failure. */
  readonly blockedReason: string | undefined;
  readonly approval: Approval | undefined;
}

/** What one principal asked for and another has to approve. */
export interface Approval {
  readonly action: "purge" | "override";
  /**
   * Of an override: what is in the way, each as the plan names it (obstacles.ts). Exactly this is approved. Those of
   * the first release do not say, and approve nothing.
   */
  readonly inSpiteOf?: readonly string[] | undefined;
  readonly requestedBy: string;
  readonly requestedAtMs: number;
  readonly approvedBy: string | undefined;
  /** Vouches for the other members and the change they belong to; hex. */
  readonly mac: string;
}

/** One line of a change's history, kept for ever. */
export interface HistoryEntry {
  readonly atMs: number;
  readonly state: ChangeState;
  readonly by: string;
  readonly note: string;
}

/**
 * The states of a change. What leads from one to another is in transitions.ts, what happens in each in next-step.ts.
 *
 * - PLANNED: opened; all CURRENT registers hold `from`. NEW registers are loaded and committed, in any order and time.
 * - STAGED: every serving unit holds `from` in CURRENT and the same committed key in NEW; `to` is pinned.
 * - REENCIPHERING: every new KEK is wrapped under both; workers give the others their second form.
 * - READY: counted under the exclusive fence, no row lacks a verified form under `to`. May last for days.
 * - ACTIVATING: canary, every row opened on it, then the other units. With the first unit that has activated the point
 *   of no return is passed; until then the change can still be canceled.
 * - ACTIVATED: no serving unit has CURRENT = `from`; every row is opened on every serving unit.
 * - FINALIZING: forms move, new to current to old, row by row.
 * - DONE: no row's form in use is under `from`. The old forms stay until purge.
 * - PURGED: the old forms are deleted and OLD is cleared.
 * - CANCELING: second forms are dropped and NEW cleared.
 * - CANCELED: nothing of the change is left.
 */
export type ChangeState =
  | "PLANNED"
  | "STAGED"
  | "REENCIPHERING"
  | "READY"
  | "ACTIVATING"
  | "ACTIVATED"
  | "FINALIZING"
  | "DONE"
  | "PURGED"
  | "CANCELING"
  | "CANCELED";

/**
 * One for each (group, type), always there: it says which patterns a KEK born now must carry. Every write of a KEK row
 * holds it shared and names the generation that it read; every change of state takes it exclusively.
 */
export interface Fence {
  readonly group: GroupName;
  readonly type: MasterKeyType;
  /** Counts every change of state. */
  readonly generation: number;
  readonly currentVp: Vp;
  readonly targetVp: Vp | undefined;
  /** The exact set of patterns that a KEK born now must carry; the first is that of its form in use. */
  readonly mustWrap: readonly Vp[];
  /** Create and rotate are refused. */
  readonly frozen: boolean;
  readonly openChange: ChangeId | undefined;
}
