import type { ChangeStateName, ChangeView } from "@claviger/api";

const FORWARD: readonly ChangeStateName[] = [
  "PLANNED",
  "STAGED",
  "REENCIPHERING",
  "READY",
  "ACTIVATING",
  "ACTIVATED",
  "FINALIZING",
  "DONE",
  "PURGED",
];
const BACK: readonly ChangeStateName[] = ["CANCELING", "CANCELED"];

/** Whether the change still stands in the way of another one of its group and type. */
export function isOpen(change: ChangeView): boolean {
  return change.state !== "DONE" && change.state !== "PURGED" && change.state !== "CANCELED";
}

/** Whether every KEK has been opened under the target on every unit, so that `finalize` is not refused for that. */
export function isVerified(change: ChangeView): boolean {
  if (hasPassed(change, "FINALIZING")) return true;
  const { verified } = change.progress;
  return change.state === "ACTIVATED" && verified.length > 0 && verified.every((unit) => unit.complete);
}

/** Whether the change is in this state or has gone on from it. */
export function hasPassed(change: ChangeView, state: ChangeStateName): boolean {
  const way = FORWARD.includes(state) ? FORWARD : BACK;
  const here = way.indexOf(change.state);
  return here !== -1 && here >= way.indexOf(state);
}

/** Whether the change will not move any more, unless somebody purges it. */
export function isAtRest(change: ChangeView): boolean {
  return !isOpen(change);
}
