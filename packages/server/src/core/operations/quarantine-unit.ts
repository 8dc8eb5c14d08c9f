import { Failure } from "../errors.ts";
import type { UnitAddress } from "../ids.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { UnitStore } from "../ports/store.ts";
import type { AttachedUnit, AttachedUnits } from "../unit/attached-units.ts";
import { noteRecords } from "../unit/note-records.ts";

/**
 * Takes a unit out of service until it is readmitted. Quarantining a unit that the service has taken out by itself
 * makes it a person's decision, which lets a change go on without the unit.
 * @throws Failure `unit-needed` for the last unit that serves.
 */
export async function quarantineUnit(
  ports: {
    readonly store: Pick<UnitStore, "setUnitState" | "listUnits">;
    readonly units: AttachedUnits;
    readonly materials: OpenedMaterials;
  },
  input: { readonly address: UnitAddress; readonly reason: string; readonly by: string },
): Promise<AttachedUnit> {
  const { store, units, materials } = ports;
  await noteRecords(ports);
  const { record } = units.find(input.address);
  const others = units.serving(record.group).filter((other) => other.record.address !== input.address);
  if (others.length === 0) throw new Failure("unit-needed");
  const state = "quarantined" as const;
  const outcome = await store.setUnitState({
    address: input.address,
    from: ["joining", "serving", "quarantined"],
    state,
    reason: input.reason,
    by: input.by,
  });
  if (outcome === "last-serving") throw new Failure("unit-needed");
  if (outcome === "state-differs") throw new Failure("unit-not-found", `unit ${input.address} was removed`);
  units.noteRecord({ ...record, state, reason: input.reason, stateBy: input.by });
  materials.dropUnit(input.address);
  return units.find(input.address);
}
