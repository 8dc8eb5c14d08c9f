import { markRolledBack } from "../audit/mark-rolled-back.ts";
import type { Clock } from "../clock.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import { shownVp } from "../ids.ts";
import type { Alarms } from "../ports/alarms.ts";
import type { UnitStore } from "../ports/store.ts";
import type { ChangeStore } from "../ports/change-store.ts";
import type { RollbackStore } from "../ports/rollback-store.ts";
import type { AttachedUnits, ReachableUnit } from "./attached-units.ts";
import { readingOf } from "./attached-units.ts";
import { describeUnseenGeneration } from "./generations.ts";

/** Who sets unit states when it is no person. */
export const CLAVIGER = "claviger";

export interface WatchPorts {
  readonly store: Pick<ChangeStore, "listFences"> &
    Pick<UnitStore, "setUnitState" | "listGenerations"> &
    Pick<RollbackStore, "readRollback" | "markRollback">;
  readonly units: AttachedUnits;
  readonly materials: OpenedMaterials;
  readonly alarms: Alarms;
  readonly clock: Clock;
}

/**
 * Reads the registers of all units again, and compares what they count with what the database has seen. A unit that serves while its CURRENT is not the master key of its group is
 * taken out, as long as another one serves; while a change is open, the change tends its units itself.
 */
export async function watchUnits(ports: WatchPorts): Promise<void> {
  for (const fence of await ports.store.listFences({})) {
    for (const { record, refused } of await ports.units.refreshGroup(fence.group))
      if (refused) ports.alarms.raise("unit-differs", `unit ${record.address}: ${refused.message}`);
    if (fence.openChange !== undefined) continue;
    const serving = ports.units.serving(fence.group);
    const fits = (unit: ReachableUnit) => readingOf(unit, fence.type)?.CURRENT.vp === fence.currentVp;
    for (const unit of serving.filter((one) => !fits(one))) {
      const { record } = unit;
      const vp = readingOf(unit, fence.type)?.CURRENT.vp;
      const reason = `CURRENT holds ${vp ? shownVp(vp) : "nothing"}, the group's master key is ${shownVp(fence.currentVp)}`;
      ports.alarms.raise("unit-differs", `unit ${record.address}: ${reason}`);
      if (!serving.some(fits)) continue;
      const state = "quarantined" as const;
      const { address } = record;
      const outcome = await ports.store.setUnitState({
        address,
        from: ["serving"],
        state,
        reason,
        by: CLAVIGER,
      });
      if (outcome === "done") ports.units.noteRecord({ ...record, state, reason, stateBy: CLAVIGER });
      ports.materials.dropUnit(address);
    }
  }
  // Those that did not answer at the start were not compared with the database yet.
  const unseen = await describeUnseenGeneration(ports.store, ports.units.all());
  if (unseen !== undefined && !(await ports.store.readRollback({})))
    await markRolledBack(ports, `found ${unseen}`);
}
