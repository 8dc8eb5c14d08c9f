import { Failure } from "../errors.ts";
import { readChange } from "../master-key-change/advance-change.ts";
import type { Change } from "../master-key-change/change.ts";
import { STATES_BEFORE_ACTIVATION } from "../master-key-change/transitions.ts";
import { serving, sideOf } from "../master-key-change/facts.ts";
import { unitFacts } from "../master-key-change/gather-facts.ts";
import type { ChangeInput, ChangePorts } from "./change-ports.ts";
import { refuseObstacles } from "./create-change.ts";
import { requestApproval } from "./request-approval.ts";

/**
 * Asks to delete the forms under the old master key and to clear OLD. Another principal has to approve; then every row
 * is opened once more on every serving unit before anything is deleted.
 * @throws Failure `change-state` when it is not DONE or another change is open, `change-not-ready`.
 */
export async function purgeChange(ports: ChangePorts, input: ChangeInput): Promise<Change> {
  const change = await readChange(ports, input.change);
  await refuseUnlessPurgeable(ports, change);
  const request = { action: "purge" as const, inSpiteOf: undefined, note: "purge asked for" };
  return requestApproval(ports, change, { ...request, by: input.by });
}

/** Checks again, and has every sweep begin anew: what opened weeks ago may not open now, and the old forms are its only rescue. */
export async function beginPurge(ports: ChangePorts, change: Change): Promise<void> {
  await refuseUnlessPurgeable(ports, change);
  for (const sweep of await ports.store.readSweeps({ changeId: change.id })) {
    const { unit } = sweep;
    const anew = { unit, cursor: 0, opened: 0, refused: [], complete: false };
    await ports.store.writeSweep({ changeId: change.id, sweep: anew });
  }
}

async function refuseUnlessPurgeable(ports: ChangePorts, change: Change): Promise<void> {
  if (change.state !== "DONE") {
    throw new Failure("change-state", `change ${change.id} is ${change.state}, not DONE`);
  }
  const fence = await ports.store.readFence(change);
  const open = fence?.openChange && (await readChange(ports, fence.openChange));
  if (open && (open.restores === change.id || !STATES_BEFORE_ACTIVATION.includes(open.state))) {
    throw new Failure("change-open", `change ${open.id} is ${open.state} and may need the old forms`);
  }
  const units = unitFacts(await ports.units.refreshGroup(change.group), change.type);
  const strangers = serving({ units }).filter((unit) => sideOf(change, unit) !== "after");
  refuseObstacles(
    strangers.map((unit) => ({
      what: `unit ${unit.address} does not show the change's target in CURRENT`,
      advice: "a later change has taken its place, or the unit must be brought back",
      unit: unit.address,
      overridable: false,
    })),
  );
}
