import { Failure } from "../errors.ts";
import type { UnitAddress } from "../ids.ts";
import { shownVp } from "../ids.ts";
import type { Change, Fence } from "../master-key-change/change.ts";
import type { RollbackStore } from "../ports/rollback-store.ts";
import type { UnitStore } from "../ports/store.ts";
import type { ChangeStore } from "../ports/change-store.ts";
import type { AttachedUnit, AttachedUnits, ReachableUnit } from "../unit/attached-units.ts";
import { readingOf } from "../unit/attached-units.ts";
import { noteGenerations } from "../unit/generations.ts";
import { noteRecords } from "../unit/note-records.ts";
import type { RegisterReading } from "../unit/registers.ts";
import { requireNoRollback } from "./require-no-rollback.ts";

/**
 * Lets a joining or quarantined unit serve, once its registers are those of its group: CURRENT as the fence has it, and
 * while a change is between STAGED and READY the target in NEW too. While units activate, either side will do; a unit
 * that was away while its group activated does so now.
 * @throws Failure `unit-register-differs` saying what it holds and what it must hold, `unit-unreachable`.
 */
export async function readmitUnit(
  ports: {
    readonly store: UnitStore &
      Pick<RollbackStore, "readRollback"> &
      Pick<ChangeStore, "listFences" | "readChange">;
    readonly units: AttachedUnits;
  },
  input: { readonly address: UnitAddress; readonly by: string },
): Promise<AttachedUnit> {
  await requireNoRollback(ports);
  const { store, units } = ports;
  await noteRecords(ports);
  await units.refresh(input.address);
  const unit = units.reachable(input.address);
  if (unit.record.state === "serving") return unit;
  await noteGenerations(store, unit);
  for (const fence of await store.listFences({})) {
    if (fence.group !== unit.record.group) continue;
    const change = fence.openChange && (await store.readChange({ id: fence.openChange }));
    const reading = await activateIfLeftBehind(units, unit, fence);
    const differs = reading
      ? difference(reading, fence, change || undefined)
      : `it has no ${fence.type} registers`;
    if (differs) throw new Failure("unit-register-differs", `unit ${input.address} cannot serve: ${differs}`);
  }
  const outcome = await store.setUnitState({
    address: input.address,
    from: ["joining", "quarantined"],
    state: "serving",
    reason: undefined,
    by: input.by,
  });
  if (outcome === "state-differs")
    throw new Failure("unit-not-found", `unit ${input.address} was removed or changed`);
  units.noteRecord({ ...unit.record, state: "serving", reason: undefined, stateBy: input.by });
  return units.find(input.address);
}

/**
 * A unit that was away while its group activated holds the group's master key in NEW. Whoever readmits it decides that
 * it follows.
 */
async function activateIfLeftBehind(
  units: AttachedUnits,
  unit: ReachableUnit,
  fence: Fence,
): Promise<RegisterReading | undefined> {
  const reading = readingOf(unit, fence.type);
  const { type, currentVp: vp } = fence;
  if (reading?.NEW.vp !== vp || reading.NEW.state !== "full committed") return reading;
  return await units.execute(unit.record.address, { verb: "activate", type, vp });
}

function difference(reading: RegisterReading, fence: Fence, change: Change | undefined): string | undefined {
  const current = reading.CURRENT.vp;
  const shown = current ? shownVp(current) : "nothing";
  if (change?.state === "ACTIVATING" && current !== undefined && current === change.to) return undefined;
  if (current !== fence.currentVp)
    return `CURRENT holds ${shown}, the group's master key is ${shownVp(fence.currentVp)}`;
  const needsNew =
    change?.to !== undefined && ["STAGED", "REENCIPHERING", "READY", "ACTIVATING"].includes(change.state);
  if (needsNew && change.to && (reading.NEW.state !== "full committed" || reading.NEW.vp !== change.to)) {
    return `NEW does not hold the committed target ${shownVp(change.to)} of the open change`;
  }
  return undefined;
}
