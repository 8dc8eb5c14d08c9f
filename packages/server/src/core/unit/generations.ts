import type { UnitAddress } from "../ids.ts";
import type { UnitStore } from "../ports/store.ts";
import type { AttachedUnit, ReachableUnit } from "./attached-units.ts";
import { isReachable } from "./attached-units.ts";

/*
 * A token counts the master keys that it is given, and keeps the number in their labels. The database notes a number before
 * the master key that has it can become CURRENT: a CURRENT whose number it has never seen was made so in a later time than
 * the database is of. Patterns alone do not tell: a master key may come back from OLD.
 */

/** What the unit holds now may be, or become, CURRENT: the database has seen it. */
export async function noteGenerations(
  store: Pick<UnitStore, "noteGeneration">,
  { record, readings }: ReachableUnit,
): Promise<void> {
  for (const { type, generations = {} } of readings) {
    const generation = Math.max(generations.NEW ?? 0, generations.CURRENT ?? 0);
    if (generation > 0) await store.noteGeneration({ unit: record.address, type, generation });
  }
}

/** Takes over what units say that the database has never seen anything of: those of an earlier release. */
export async function noteFirstGenerations(
  store: Pick<UnitStore, "noteGeneration" | "listGenerations">,
  units: readonly AttachedUnit[],
): Promise<void> {
  const seen = new Set<UnitAddress>((await store.listGenerations({})).map(({ unit }) => unit));
  for (const unit of units)
    if (isMember(unit) && !seen.has(unit.record.address)) await noteGenerations(store, unit);
}

/** Why the database is older than one of the units, as a clause that names it; undefined where it is not. */
export async function describeUnseenGeneration(
  store: Pick<UnitStore, "listGenerations">,
  units: readonly AttachedUnit[],
): Promise<string | undefined> {
  const members = units.filter(isMember);
  if (members.every(({ readings }) => readings.every(({ generations }) => generations === undefined)))
    return undefined;
  const seen = await store.listGenerations({});
  for (const { record, readings } of members)
    for (const { type, generations } of readings) {
      const noted = seen.find((each) => each.unit === record.address && each.type === type);
      const current = generations?.CURRENT ?? 0;
      if (noted && current > noted.generation)
        return `older than crypto unit ${record.address}: its CURRENT is its master key number ${current}, and the database has seen ${noted.generation}`;
    }
  return undefined;
}

/** One that joins has what it was given, and is noted when it begins to serve. */
function isMember(unit: AttachedUnit): unit is ReachableUnit {
  return isReachable(unit) && unit.record.state !== "joining";
}
