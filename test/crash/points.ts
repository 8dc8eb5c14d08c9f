import { CALLS } from "./calls.ts";
import type { ScenarioName } from "./scenarios.ts";

/** A moment at which the daemon is killed: before or after the n-th call of a name, in a scenario that makes it. */
export interface Point {
  readonly name: string;
  readonly scenario: ScenarioName;
  readonly call: string;
  readonly moment: "before" | "after";
  readonly nth: number;
}

/**
 * Where each call is made. A call of the ports without a line here, a line for no call, and a point that its scenario does
 * not reach are failures. `nth` tells the canary from the units after it, and the first batch from those in the midst of it.
 */
const PLACES: Readonly<Record<string, readonly (readonly [ScenarioName, nth: number])[]>> = {
  "store.createFence": [["first start", 1]],
  "store.addUnit(serving)": [["first start", 1]],
  "store.createPrincipal": [["first start", 1]],
  "store.updatePrincipal(disabled)": [["principals", 1]],
  "store.updatePrincipal(enabled)": [["principals", 1]],
  "store.createToken": [["principals", 1]],
  "store.revokeToken": [["principals", 1]],
  "store.dropEndedTokens": [["principals", 1]],
  "store.adoptFormerPrincipal": [["release 0.1.0 taken over", 2]],
  "store.dropLeases": [["re-encipher", 1]],
  "unit.execute(generate)": [
    ["first start", 1],
    ["whole change", 1],
  ],
  "unit.execute(commit)": [
    ["first start", 1],

    ["whole change", 2],
  ],
  "unit.execute(set-immediate)": [["first start", 1]],
  "store.createProject(one form)": [
    ["first start", 1],
    ["keys", 1],
  ],
  "unit.createKek(one form)": [["first start", 1]],
  "unit.generate": [["first start", 1]],
  "store.createKey": [
    ["first start", 1],
    ["keys", 1],
  ],
  "store.addAuditKey": [["first start", 1]],
  "unit.keepAnchors": [
    ["first start", 1],
    ["keys", 2],
    ["unit add", 3],
  ],
  "store.dropOutbox": [
    ["first start", 1],
    ["keys", 2],
  ],
  "store.updateKey(rotate)": [["keys", 1]],
  "store.updateKey(state)": [["keys", 1]],
  "store.updateKey(schedule-deletion)": [["a key's end", 1]],
  "store.destroyKey": [["a key's end", 1]],
  "unit.generateKeyPair": [["import of a key", 1]],
  "unit.createImportKey": [["import of a key", 1]],
  "store.putImportToken": [["import of a key", 1]],
  "unit.importMaterial": [["import of a key", 1]],
  "store.importKeyVersion": [["import of a key", 1]],
  "store.dropExpiredImportTokens": [["import of a key", 1]],
  "unit.verify(plan)": [["keys", 1]],

  "store.addUnit(joining)": [["unit add", 1]],
  "unit.pinPeer": [["unit add", 1]],
  "unit.exportFor(CURRENT)": [["unit add", 1]],
  "unit.importFrom(CURRENT)": [["unit add", 1]],
  "store.setUnitState(serving)": [
    ["unit add", 1],
    ["unit leaves", 1],
    ["activated elsewhere too early", 1],
  ],
  "store.setUnitState(quarantined)": [
    ["unit leaves", 1],
    ["activated elsewhere too early", 1],
    ["override of a lost unit", 1],
  ],
  "store.setUnitState(leaving)": [["unit leaves, another comes", 1]],
  "store.removeUnit": [
    ["unit leaves", 1],
    ["unit leaves, another comes", 1],
  ],

  "store.openChange(forward)": [["whole change", 1]],
  "store.openChange(restore)": [["restore", 1]],
  "unit.exportFor(NEW)": [["whole change", 1]],
  "unit.importFrom(NEW)": [
    ["whole change", 1],
    ["unit add during a change", 1],
  ],
  "unit.execute(recall-old)": [["restore", 2]],
  "store.transition(PLANNED → STAGED)": [["whole change", 1]],
  "store.transition(STAGED → REENCIPHERING)": [["re-encipher", 1]],
  "store.claimRows(untried)": [["re-encipher", 1]],
  "unit.reencipher": [
    ["re-encipher", 1],

    ["restore", 1],
  ],
  "store.commitRows(and claim)": [
    ["re-encipher", 3],
    ["restore", 2],
  ],
  "unit.verify(reuse)": [["restore", 1]],
  "store.claimRows(failed)": [["a row that fails", 1]],
  "store.commitRows(only)": [
    ["a row that fails", 1],
    ["a second form that fails", 1],
  ],
  "store.amendChange(blockedReason)": [["a row that fails", 1]],
  "store.amendChange(paused)": [["a row that fails", 1]],
  "store.transition(REENCIPHERING → READY)": [["re-encipher", 1]],
  "unit.createKek(two forms)": [["re-encipher", 1]],
  "store.createProject(two forms)": [["re-encipher", 1]],
  "store.transition(READY → ACTIVATING)": [
    ["activate", 1],
    ["override of a lost unit", 1],
  ],
  "store.transition(READY → ACTIVATING, adopted)": [
    ["activated elsewhere", 1],
    ["activated elsewhere too early", 1],
  ],
  "store.amendChange(approval)": [
    ["override of a lost unit", 1],
    ["purge", 1],
    ["purge", 2],
  ],
  "store.amendChange(canary)": [["activate", 1]],
  "unit.execute(activate)": [
    ["activate", 1],
    ["activate", 2],
  ],
  "unit.verify(sweep)": [["activate", 1]],
  "store.writeSweep(to go on)": [
    ["activate", 1],
    ["a second form that fails", 2],
  ],
  "store.writeSweep(complete)": [["activate", 1]],
  "store.transition(ACTIVATING → ACTIVATED)": [["activate", 1]],
  "store.transition(ACTIVATED → FINALIZING)": [["finalize", 1]],
  "store.finalizeRows": [["finalize", 1]],
  "store.transition(FINALIZING → DONE)": [["finalize", 1]],
  "store.dropOldForms": [["purge", 1]],
  "unit.execute(clear OLD)": [["purge", 2]],
  "store.transition(DONE → PURGED)": [["purge", 1]],

  "store.transition(PLANNED → CANCELED)": [["cancel when planned", 1]],
  "store.transition(STAGED → CANCELING)": [["cancel when staged", 1]],
  "store.transition(REENCIPHERING → CANCELING)": [["cancel when re-enciphering", 1]],
  "store.transition(READY → CANCELING)": [["cancel when ready", 1]],
  "store.transition(ACTIVATING → CANCELING)": [["cancel when activating", 1]],
  "store.dropNextForms": [["cancel when ready", 1]],
  "unit.execute(clear NEW)": [
    ["cancel when ready", 1],

    ["clear new", 2],
  ],
  "store.transition(CANCELING → CANCELED)": [["cancel when ready", 1]],
};

/** Calls of the ports at which nothing is killed. Must be none. */
export const CALLS_WITHOUT_A_POINT: readonly string[] = CALLS.filter((call) => !(call in PLACES));
/** Places of calls that the ports do not have. Must be none. */
export const PLACES_WITHOUT_A_CALL: readonly string[] = Object.keys(PLACES).filter(
  (call) => !CALLS.includes(call),
);

export const POINTS: readonly Point[] = Object.entries(PLACES).flatMap(([call, places]) =>
  places.flatMap(([scenario, nth]) =>
    (["before", "after"] as const).map((moment) => ({
      name: `${scenario}: ${call} ${moment}${nth === 1 ? "" : ` #${nth}`}`,
      scenario,
      call,
      moment,
      nth,
    })),
  ),
);

/** Half of the scenarios, for one of the two files that run beside each other. */
export const SCENARIOS_OF_ONE_CHANGE: readonly ScenarioName[] = [
  "whole change",
  "re-encipher",
  "activate",
  "finalize",
  "a row that fails",
  "a second form that fails",
  "cancel when planned",
  "cancel when staged",
  "cancel when re-enciphering",
  "cancel when ready",
  "cancel when activating",
];
