import { Failure, isFailure } from "../errors.ts";
import type { KekId, ProjectId } from "../ids.ts";
import type { KekRecord } from "../hierarchy/records.ts";
import type { Alarms } from "../ports/alarms.ts";
import type { ProjectStore } from "../ports/store.ts";
import type { AttachedUnits, ReachableUnit } from "./attached-units.ts";
import { readingOf } from "./attached-units.ts";
import type { CryptoUnit, KekHandle, WrappedKek } from "./crypto-unit.ts";

export interface OpenedKek {
  readonly unit: CryptoUnit;
  readonly handle: KekHandle;
}

/** A KEK and the project that it must belong to: its MAC binds it to that one. */
export interface OwnedKek {
  readonly kekId: KekId;
  readonly projectId: ProjectId;
}

export interface OpenKekPorts {
  readonly units: AttachedUnits;
  readonly store: Pick<ProjectStore, "readKek">;
  readonly alarms: Alarms;
}

/**
 * Opens a KEK on some serving unit: the one place that decides which form goes to which unit. A form goes to a unit
 * whose CURRENT holds its pattern, else to one whose OLD does; NEW is never used. Units that have activated and units
 * that have not serve side by side. When nothing opens, registers and row are read again once, for they may just have
 * moved; after that it is an alarm.
 * @throws Failure `no-serving-unit`, `kek-not-opened`.
 */
export async function openKek(ports: OpenKekPorts, owned: OwnedKek): Promise<OpenedKek> {
  const { kekId, projectId } = owned;
  let refused = 0;
  for (const attempt of ["as known", "read again"] as const) {
    const kek = await ports.store.readKek({ kekId });
    if (!kek) throw new Failure("store-damaged", `KEK ${kekId} is not there`);
    if (attempt === "read again") await ports.units.refreshGroup(kek.group);
    for (const candidate of candidates(ports.units, kek)) {
      try {
        const { unit } = candidate.at;
        const handle = await unit.keks.open({ ...kek, kekId, projectId, wrapped: candidate.form });
        return { unit, handle };
      } catch (error) {
        if (!isFailure(error, "register-pattern-mismatch", "kek-not-opened", "unit-unreachable")) throw error;
        if (error.code === "kek-not-opened") {
          refused += 1;
          ports.alarms.raise(
            "kek-not-opened",
            `KEK ${kekId} did not open on unit ${candidate.at.record.address}`,
          );
        }
        await ports.units.refresh(candidate.at.record.address);
      }
    }
  }
  if (refused > 0) throw new Failure("kek-not-opened", `KEK ${kekId} did not open on any serving unit`);
  throw new Failure("no-serving-unit");
}

interface Candidate {
  readonly at: ReachableUnit;
  readonly form: WrappedKek;
}

function candidates(units: AttachedUnits, kek: KekRecord): readonly Candidate[] {
  const forms = [kek.wrapped, kek.wrappedNew, kek.wrappedOld].filter((form) => form !== undefined);
  const byCurrent: Candidate[] = [];
  const byOld: Candidate[] = [];
  for (const at of units.serving(kek.group)) {
    const reading = readingOf(at, kek.type);
    for (const form of forms) {
      if (reading?.CURRENT.vp === form.vp) byCurrent.push({ at, form });
      else if (reading?.OLD.vp === form.vp) byOld.push({ at, form });
    }
  }
  return [...byCurrent, ...byOld];
}
