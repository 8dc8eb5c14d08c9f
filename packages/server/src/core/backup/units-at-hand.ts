import { Failure, isFailure } from "../errors.ts";
import type { UnitFolder } from "../ports/unit-folder.ts";
import { AttachedUnits } from "../unit/attached-units.ts";

/**
 * Every unit of the folder that opens, taken as serving: what there is to open a backup with when no database says who is
 * who. `failures` are those that did not open.
 * @throws Failure `backup-needs-unit` when there is no unit, and that of the first one when none opens.
 */
export async function unitsAtHand(
  folder: UnitFolder,
): Promise<{ readonly units: AttachedUnits; readonly failures: readonly Failure[] }> {
  const units = new AttachedUnits();
  const failures: Failure[] = [];
  try {
    for (const address of await folder.list()) {
      try {
        const unit = await folder.open(address);
        const { group, adapter, publicKey } = unit.description;
        const standing = { state: "serving", reason: undefined, stateBy: "claviger", addedAtMs: 0 } as const;
        await units.attach({ address, group, adapter, publicKey, ...standing }, unit);
      } catch (error) {
        if (!isFailure(error)) throw error;
        failures.push(error);
      }
    }
    const [failure] = failures;
    if (units.all().length === 0)
      throw failure ?? new Failure("backup-needs-unit", "there is no crypto unit in the unit folder");
    return { units, failures };
  } catch (error) {
    await units.close();
    throw error;
  }
}
