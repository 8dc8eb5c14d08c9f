import { Failure } from "../errors.ts";
import { namesVp, shownVp } from "../ids.ts";
import { advanceChange, readChange } from "../master-key-change/advance-change.ts";
import type { Change } from "../master-key-change/change.ts";
import { gatherFacts } from "../master-key-change/gather-facts.ts";
import type { Obstacle } from "../master-key-change/obstacles.ts";
import { obstaclesToActivate } from "../master-key-change/obstacles.ts";
import type { ChangeInput, ChangePorts } from "./change-ports.ts";
import { refuseObstacles } from "./create-change.ts";
import { requestApproval } from "./request-approval.ts";

/**
 * Begins to activate the target, unit by unit: the point of no return. `vp` is the target as a person has retyped it.
 * With `override` the obstacles that may be passed are, once another principal has approved: this call asks for that.
 * @throws Failure `register-pattern-mismatch`, `change-not-ready` naming every obstacle, `change-state`.
 */
export async function activateChange(
  ports: ChangePorts,
  input: ChangeInput & { readonly vp: string; readonly override: boolean },
): Promise<Change> {
  const change = await readyChange(ports, input);
  if (change.to === undefined || !namesVp(input.vp, change.to)) {
    throw new Failure("register-pattern-mismatch", "this is not the pattern of the change's target", {
      field: "vp",
    });
  }
  const obstacles = await obstaclesNow(ports, change);
  if (obstacles.length === 0) return activate(ports, change, input.by, `retyped ${shownVp(change.to)}`);
  if (!input.override) refuseObstacles(obstacles);
  refuseObstacles(obstacles.filter(({ overridable }) => !overridable));
  const inSpiteOf = obstacles.map(({ what }) => what);
  const note = `override asked for, in spite of: ${inSpiteOf.join("; ")}`;
  return requestApproval(ports, change, { action: "override", inSpiteOf, by: input.by, note });
}

/**
 * What an approved override does: the units in the way are quarantined by the approver's decision, and it activates.
 * `approved` names the obstacles that were there when it was asked for; what has come up since, nobody has decided on.
 * @throws Failure `change-not-ready` naming those, and what no override passes.
 */
export async function activateInSpite(
  ports: ChangePorts,
  input: ChangeInput & { readonly approved: readonly string[] },
): Promise<Change> {
  const change = await readyChange(ports, input);
  const obstacles = await obstaclesNow(ports, change);
  refuseObstacles(obstacles.filter(({ overridable }) => !overridable));
  refuseObstacles(
    obstacles
      .filter(({ what }) => !input.approved.includes(what))
      .map((one) => ({
        ...one,
        advice: `not named when the override was asked for: ask again, or ${one.advice}`,
      })),
  );
  const addresses = new Set(obstacles.flatMap(({ unit }) => (unit ? [unit] : [])));
  const left = ports.units.serving(change.group).filter(({ record }) => !addresses.has(record.address));
  if (left.length === 0) throw new Failure("unit-needed", "no unit would be left to serve");
  for (const address of addresses) {
    const { record } = ports.units.find(address);
    const decision = { state: "quarantined" as const, reason: `override of change ${change.id}` };
    const outcome = await ports.store.setUnitState({
      address,
      from: [record.state],
      ...decision,
      by: input.by,
    });
    if (outcome === "last-serving") throw new Failure("unit-needed", "no unit would be left to serve");
    if (outcome === "state-differs")
      throw new Failure("change-state", `unit ${address} has just been changed by someone else`);
    ports.units.noteRecord({ ...record, ...decision, stateBy: input.by });
  }
  return activate(ports, change, input.by, "override approved");
}

async function activate(ports: ChangePorts, change: Change, by: string, note: string): Promise<Change> {
  // A request for an override has been answered by this, or was not needed.
  const amendment = { approval: undefined };
  const activating = await advanceChange(ports, change, { name: "activate" }, { by, note, amendment });
  ports.runner.wake();
  return activating;
}

async function obstaclesNow(ports: ChangePorts, change: Change): Promise<readonly Obstacle[]> {
  const facts = await gatherFacts(ports, change, { nowMs: ports.clock.nowMs(), retryNow: false });
  return obstaclesToActivate(change, facts);
}

async function readyChange(ports: ChangePorts, input: ChangeInput): Promise<Change> {
  const change = await readChange(ports, input.change);
  if (change.state !== "READY") {
    throw new Failure(
      "change-state",
      `change ${change.id} is ${change.state}, not READY; opened by ${change.openedBy}`,
    );
  }
  return change;
}
