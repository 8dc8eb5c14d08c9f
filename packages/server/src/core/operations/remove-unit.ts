import { Failure, isFailure } from "../errors.ts";
import type { UnitAddress } from "../ids.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { Alarms } from "../ports/alarms.ts";
import type { UnitRecord, UnitStore } from "../ports/store.ts";
import type { UnitFolder } from "../ports/unit-folder.ts";
import type { AttachedUnit, AttachedUnits } from "../unit/attached-units.ts";

export interface RemovalPorts {
  readonly store: Pick<UnitStore, "setUnitState" | "listUnits" | "removeUnit">;
  readonly units: AttachedUnits;
  readonly folder: UnitFolder;
  readonly materials: OpenedMaterials;
}

/**
 * Takes a unit out of its group. Its sealed file is set aside, not deleted. The unit is `leaving` first, so that what is
 * interrupted is finished: by removing it again, by adding one at its address, or at the next start.
 * @throws Failure `unit-needed` for the last unit that serves, `unit-not-found`, and those of setting aside.
 */
export async function removeUnit(
  ports: RemovalPorts,
  input: { readonly address: UnitAddress; readonly by: string },
): Promise<AttachedUnit> {
  return await ports.units.whileMembersStay(() => remove(ports, input));
}

async function remove(
  ports: RemovalPorts,
  { address, by }: { readonly address: UnitAddress; readonly by: string },
): Promise<AttachedUnit> {
  const { store, units } = ports;
  const left = (await leavingUnits(store)).find((record) => record.address === address);
  if (left) {
    await finishRemoval(ports, left);
    return { record: left, unit: undefined, readings: undefined };
  }
  const removed = units.find(address);
  refuseIfNeeded(units, removed.record);
  const decision = { state: "leaving" as const, reason: "it is being removed" };
  const from = ["joining", "serving", "quarantined"] as const;
  const outcome = await store.setUnitState({ address, from, ...decision, by });
  if (outcome === "last-serving") throw new Failure("unit-needed");
  if (outcome === "state-differs") throw new Failure("unit-not-found", `unit ${address} was removed`);
  await finishRemoval(ports, { ...removed.record, ...decision, stateBy: by });
  return removed;
}

/** At a start: finishes what was interrupted. What cannot be finished now is an alarm, and stays `leaving`. */
export async function finishRemovals(ports: RemovalPorts & { readonly alarms: Alarms }): Promise<void> {
  for (const record of await leavingUnits(ports.store)) {
    try {
      await finishRemoval(ports, record);
    } catch (error) {
      if (!isFailure(error)) throw error;
      ports.alarms.raise("unit-differs", `unit ${record.address} is not removed yet: ${error.message}`);
    }
  }
}

/** Finishes the removal of the unit that was at `address`, if it was interrupted. Inside `whileMembersStay`. */
export async function finishRemovalAt(ports: RemovalPorts, address: UnitAddress): Promise<void> {
  const record = (await leavingUnits(ports.store)).find((one) => one.address === address);
  if (record) await finishRemoval(ports, record);
}

/** Every step may be repeated. The row goes last: as long as it is there, somebody comes back. */
async function finishRemoval(ports: RemovalPorts, record: UnitRecord): Promise<void> {
  const { store, units, folder, materials } = ports;
  const { address } = record;
  refuseIfNeeded(units, record);
  if (units.all().some((unit) => unit.record.address === address)) {
    units.noteRecord(record);
    materials.dropUnit(address);
    await units.detach(address);
  }
  await folder.setAside(address);
  if ((await store.removeUnit({ address })) === "last-serving") throw new Failure("unit-needed");
}

/** Another unit of the group must serve and answer: what is set aside may hold the last copy of a master key. */
function refuseIfNeeded(units: AttachedUnits, { address, group }: UnitRecord): void {
  const others = units.serving(group).filter((unit) => unit.record.address !== address);
  if (others.length === 0) throw new Failure("unit-needed");
}

async function leavingUnits(store: Pick<UnitStore, "listUnits">): Promise<readonly UnitRecord[]> {
  return (await store.listUnits({})).filter(({ state }) => state === "leaving");
}
