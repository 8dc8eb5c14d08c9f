import { Failure } from "../errors.ts";
import type { Vp } from "../ids.ts";
import type { Change, ChangeState, Fence } from "./change.ts";

/**
 * The pure form of the change's states: which event leads where, what the fence says afterwards, and what must be
 * counted in the same transaction. Whatever is not in the table is refused.
 */
export type ChangeEvent =
  | { readonly name: "staged"; readonly to: Vp }
  | { readonly name: "reencipher" }
  | { readonly name: "ready" }
  | { readonly name: "activate" }
  | { readonly name: "adopted" }
  | { readonly name: "activated" }
  | { readonly name: "finalize" }
  | { readonly name: "finalized" }
  | { readonly name: "purged" }
  | { readonly name: "cancel" }
  | { readonly name: "canceled" };

type EventName = ChangeEvent["name"];

const NEXT: Record<ChangeState, Partial<Record<EventName, ChangeState>>> = {
  PLANNED: { staged: "STAGED", cancel: "CANCELED" },
  STAGED: { reencipher: "REENCIPHERING", cancel: "CANCELING" },
  REENCIPHERING: { ready: "READY", cancel: "CANCELING" },
  READY: { activate: "ACTIVATING", adopted: "ACTIVATING", cancel: "CANCELING" },
  ACTIVATING: { activated: "ACTIVATED", cancel: "CANCELING" },
  ACTIVATED: { finalize: "FINALIZING" },
  FINALIZING: { finalized: "DONE" },
  DONE: { purged: "PURGED" },
  PURGED: {},
  CANCELING: { canceled: "CANCELED" },
  CANCELED: {},
};

/** States in which a change holds its fence open: no other change of that group and type may begin. */
export const OPEN_STATES: readonly ChangeState[] = [
  "PLANNED",
  "STAGED",
  "REENCIPHERING",
  "READY",
  "ACTIVATING",
  "ACTIVATED",
  "FINALIZING",
  "CANCELING",
];

/** Open states in which no unit has activated: an earlier change may still be purged beside one. */
export const STATES_BEFORE_ACTIVATION: readonly ChangeState[] = [
  "PLANNED",
  "STAGED",
  "REENCIPHERING",
  "READY",
];

/** What must be none in the transaction of a transition, or the transition does not happen. */
export type MustBeNone =
  "rows-lacking-target" | "rows-under-from" | "rows-with-target-as-next" | "rows-keeping-from";

const MUST_BE_NONE: Partial<Record<EventName, MustBeNone>> = {
  ready: "rows-lacking-target",
  activate: "rows-lacking-target",
  adopted: "rows-lacking-target",
  activated: "rows-lacking-target",
  finalized: "rows-under-from",
  purged: "rows-keeping-from",
  canceled: "rows-with-target-as-next",
};

export interface Advance {
  readonly state: ChangeState;
  readonly to: Vp | undefined;
  readonly fence: Pick<Fence, "currentVp" | "targetVp" | "mustWrap" | "frozen" | "openChange">;
  readonly mustBeNone: MustBeNone | undefined;
}

/** Whether the table has a way from `state` by that event. */
export function mayAdvance(state: ChangeState, event: EventName): boolean {
  return NEXT[state][event] !== undefined;
}

/**
 * Where `event` leads `change`, and the fence with it.
 * @throws Failure `change-state` when the table has no such way; it names the state.
 */
export function advance(change: Change, fence: Fence, event: ChangeEvent): Advance {
  const state = NEXT[change.state][event.name];
  if (!state) {
    throw new Failure("change-state", `change ${change.id} is ${change.state}, opened by ${change.openedBy}`);
  }
  const to = event.name === "staged" ? event.to : change.to;
  return { state, to, fence: fenceAfter(change, fence, event, to), mustBeNone: MUST_BE_NONE[event.name] };
}

function fenceAfter(change: Change, fence: Fence, event: ChangeEvent, to: Vp | undefined): Advance["fence"] {
  const same: Advance["fence"] = {
    currentVp: fence.currentVp,
    targetVp: fence.targetVp,
    mustWrap: fence.mustWrap,
    frozen: fence.frozen,
    openChange: fence.openChange,
  };
  const closed = { targetVp: undefined, openChange: undefined, frozen: false };
  switch (event.name) {
    case "staged":
      return { ...same, targetVp: to };
    case "reencipher":
      return { ...same, mustWrap: [change.from, pinned(to)], frozen: change.freeze === "mutations" };
    case "ready":
      return { ...same, frozen: false };
    case "activated":
      return { ...same, currentVp: pinned(to), mustWrap: [pinned(to)] };
    case "finalized":
      return { ...same, ...closed };
    case "cancel":
      return change.state === "PLANNED"
        ? { ...same, ...closed }
        : { ...same, mustWrap: [change.from], frozen: false };
    case "canceled":
      return { ...same, ...closed };
    case "activate":
    case "adopted":
    case "finalize":
    case "purged":
      return same;
  }
}

function pinned(to: Vp | undefined): Vp {
  if (to === undefined) throw new Failure("internal", "a change went on without a pinned target");
  return to;
}
