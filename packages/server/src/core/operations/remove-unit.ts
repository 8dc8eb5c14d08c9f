import { Failure } from "../errors.ts";
import type { UnitAddress } from "../ids.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { UnitStore } from "../ports/store.ts";
import type { UnitFolder } from "../ports/unit-folder.ts";
import type { AttachedUnit, AttachedUnits } from "../unit/attached-units.ts";

/**
 * Takes a unit out of its group. Its sealed file is set aside, not deleted.
 * @throws Failure `unit-needed` for the last unit that serves.
 */
export async function removeUnit(
  ports: {
    readonly store: Pick<UnitStore, "removeUnit">;
    readonly units: AttachedUnits;
    readonly folder: UnitFolder;
    readonly materials: OpenedMaterials;
  },
  input: { readonly address: UnitAddress },
): Promise<AttachedUnit> {
  const removed = ports.units.find(input.address);
  const others = ports.units
    .serving(removed.record.group)
    .filter(({ record }) => record.address !== input.address);
  if (others.length === 0) throw new Failure("unit-needed");
  const outcome = await ports.store.removeUnit({ address: input.address });
  if (outcome === "last-serving") throw new Failure("unit-needed");
  ports.materials.dropUnit(input.address);
  await ports.units.detach(input.address);
  await ports.folder.setAside(input.address);
  return removed;
}
