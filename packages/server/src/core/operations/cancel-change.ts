import { Failure } from "../errors.ts";
import { advanceChange, onChange } from "../master-key-change/advance-change.ts";
import type { Change } from "../master-key-change/change.ts";
import { sideOf } from "../master-key-change/facts.ts";
import { unitFacts } from "../master-key-change/gather-facts.ts";
import { mayAdvance } from "../master-key-change/transitions.ts";
import type { ChangeInput, ChangePorts } from "./change-ports.ts";

/**
 * Takes a change back: second forms are dropped and NEW is cleared. Possible until the first unit has activated, which
 * the units are asked afresh. A change that is PLANNED ends at once; what custodians have loaded into NEW stays.
 * @throws Failure `change-state` saying in which state it is, or which unit has activated.
 */
export async function cancelChange(ports: ChangePorts, input: ChangeInput): Promise<Change> {
  return await onChange(ports, input.change, (change) => cancel(ports, input, change));
}

async function cancel(ports: ChangePorts, input: ChangeInput, change: Change): Promise<Change> {
  if (!mayAdvance(change.state, "cancel")) {
    const way = ["ACTIVATING", "ACTIVATED", "FINALIZING", "DONE"].includes(change.state)
      ? "; when it is DONE, `claviger change restore` goes back"
      : "";
    throw new Failure(
      "change-state",
      `change ${change.id} is ${change.state}, opened by ${change.openedBy}${way}`,
    );
  }
  const units = unitFacts(await ports.units.refreshGroup(change.group), change.type);
  const silent = units.find(
    (unit) => !unit.reading && !(unit.state === "quarantined" && unit.decidedByPerson),
  );
  if (silent && change.to !== undefined) {
    throw new Failure(
      "unit-unreachable",
      `unit ${silent.address} does not answer, so it cannot be told whether it has activated`,
    );
  }
  const activated =
    change.to === undefined ? undefined : units.find((unit) => sideOf(change, unit) === "after");
  if (activated) {
    throw new Failure(
      "change-state",
      `unit ${activated.address} has activated the target already; finish the change, then restore`,
    );
  }
  const canceling = await advanceChange(
    ports,
    change,
    { name: "cancel" },
    { by: input.by, note: "canceled" },
  );
  ports.runner.interrupt();
  return canceling;
}
