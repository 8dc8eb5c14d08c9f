import type { UnitStore } from "../ports/store.ts";
import type { AttachedUnits } from "./attached-units.ts";

/**
 * Takes over the standing of the units as the database has it: after a write whose outcome did not come back, it knows
 * more than this process.
 */
export async function noteRecords(ports: {
  readonly store: Pick<UnitStore, "listUnits">;
  readonly units: AttachedUnits;
}): Promise<void> {
  const attached = new Set(ports.units.all().map(({ record }) => record.address));
  for (const record of await ports.store.listUnits({})) {
    if (attached.has(record.address)) ports.units.noteRecord(record);
  }
}
