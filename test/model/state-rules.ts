import type { Vp } from "../../packages/server/src/core/ids.ts";
import type { Change, ChangeState } from "../../packages/server/src/core/master-key-change/change.ts";

/** The states table of master-key-change.md §3 and what rows and fence hold in each state, written down a second time. */
export const WAYS: Readonly<Record<ChangeState, readonly ChangeState[]>> = {
  PLANNED: ["STAGED", "CANCELED"],
  STAGED: ["REENCIPHERING", "CANCELING"],
  REENCIPHERING: ["READY", "CANCELING"],
  READY: ["ACTIVATING", "CANCELING"],
  ACTIVATING: ["ACTIVATED", "CANCELING"],
  ACTIVATED: ["FINALIZING"],
  FINALIZING: ["DONE"],
  DONE: ["PURGED"],
  PURGED: [],
  CANCELING: ["CANCELED"],
  CANCELED: [],
};

type Pinned = Pick<Change, "state" | "from" | "to">;

/** The exact set of patterns that a KEK born in this state must carry (master-key-change.md §1). */
export function mustWrapIn({ state, from, to }: Pinned): readonly (Vp | undefined)[] {
  switch (state) {
    case "PLANNED":
    case "STAGED":
    case "CANCELING":
    case "CANCELED":
      return [from];
    case "REENCIPHERING":
    case "READY":
    case "ACTIVATING":
      return [from, to];
    case "ACTIVATED":
    case "FINALIZING":
    case "DONE":
    case "PURGED":
      return [to];
  }
}

/** Under which patterns a KEK row has its forms. */
export interface RowForms {
  readonly current: Vp | undefined;
  readonly next: Vp | undefined;
  readonly previous: Vp | undefined;
}

/** What is wrong with a KEK row while `open` is open, or while no change is and the group's key is `currentVp`. */
export function wrongForms(row: RowForms, open: Pinned | undefined, currentVp: Vp): string | undefined {
  const { current, next, previous } = row;
  if (current === undefined) return "has no form in use";
  // The form of before may be under the target of a restore, which uses it again.
  if (current === next || current === previous) return "has one pattern twice";
  if (!open) {
    if (next !== undefined) return "has a second form and no change is open";
    return current === currentVp ? undefined : "is under a master key of before";
  }
  const { state, from, to } = open;
  const [ofFrom, hasTarget] = [current === from, current === to || next === to];
  switch (state) {
    case "PLANNED":
    case "STAGED":
      return ofFrom && next === undefined ? undefined : `has more than its form in use in ${state}`;
    case "REENCIPHERING":
    case "CANCELING":
      return ofFrom && (next === undefined || next === to)
        ? undefined
        : `is not under what is left in ${state}`;
    case "READY":
    case "ACTIVATING":
      return ofFrom && hasTarget ? undefined : `lacks one of its two forms in ${state}`;
    case "ACTIVATED":
    case "FINALIZING":
      return hasTarget ? undefined : `lacks the target in ${state}`;
    case "DONE":
    case "PURGED":
    case "CANCELED":
      return `sees a change that is ${state} hold the fence`;
  }
}
