import { Failure } from "../errors.ts";
import { advanceChange, onChange } from "../master-key-change/advance-change.ts";
import type { Change } from "../master-key-change/change.ts";
import type { UnitFact } from "../master-key-change/facts.ts";
import { sideOf } from "../master-key-change/facts.ts";
import { unitFacts } from "../master-key-change/gather-facts.ts";
import { mayAdvance } from "../master-key-change/transitions.ts";
import type { ChangeInput, ChangePorts } from "./change-ports.ts";

/**
 * Takes a change back: second forms are dropped and NEW is cleared. Possible until the first unit has activated, which
 * the units are asked afresh, while none is told to. A change that is PLANNED ends at once; what custodians have loaded
 * into NEW stays.
 *
 * That no key is lost by it: until ACTIVATED every KEK has its form under the master key that is left, and every unit
 * that answers has that key in CURRENT. A unit that a person quarantined and that does not answer may serve again only
 * with its group's CURRENT. The canary has been told to activate; it must answer, or be removed. A command cannot come
 * late: units live in this process, and what a killed process had begun is in the unit's file or is not.
 * @throws Failure `change-state` saying in which state it is, or which unit has activated; `unit-unreachable`.
 */
export async function cancelChange(ports: ChangePorts, input: ChangeInput): Promise<Change> {
  return await onChange(ports, input.change, (change) =>
    ports.runner.withoutActivation(() => cancel(ports, input, change)),
  );
}

async function cancel(ports: ChangePorts, input: ChangeInput, change: Change): Promise<Change> {
  if (!mayAdvance(change.state, "cancel")) {
    const way = ["ACTIVATED", "FINALIZING", "DONE"].includes(change.state)
      ? "; when it is DONE, `claviger change restore` goes back"
      : "";
    throw new Failure(
      "change-state",
      `change ${change.id} is ${change.state}, opened by ${change.openedBy}${way}`,
    );
  }
  const units = unitFacts(await ports.units.refreshGroup(change.group), change.type);
  if (change.to !== undefined) refuseIfActivated(change, units);
  const canceling = await advanceChange(
    ports,
    change,
    { name: "cancel" },
    { by: input.by, note: "canceled" },
  );
  ports.runner.interrupt();
  return canceling;
}

function refuseIfActivated(change: Change, units: readonly UnitFact[]): void {
  const activated = units.find((unit) => sideOf(change, unit) === "after");
  if (activated) {
    throw new Failure(
      "change-state",
      `unit ${activated.address} has activated the target already; finish the change, then restore`,
    );
  }
  for (const unit of units) {
    if (unit.reading) continue;
    if (unit.address === change.canary) {
      throw new Failure(
        "unit-unreachable",
        `unit ${unit.address} was told to activate and does not answer: bring it back, or remove it`,
      );
    }
    if (unit.state === "quarantined" && unit.decidedByPerson) continue;
    throw new Failure(
      "unit-unreachable",
      `unit ${unit.address} does not answer, so it cannot be told whether it has activated`,
    );
  }
}
