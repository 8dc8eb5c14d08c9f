import type { CensusStore, ChangeStore, SweepStore } from "../ports/change-store.ts";
import type { AttachedUnit, AttachedUnits } from "../unit/attached-units.ts";
import { readingOf } from "../unit/attached-units.ts";
import { CLAVIGER } from "../unit/watch-units.ts";
import type { MasterKeyType } from "../ids.ts";
import type { Change } from "./change.ts";
import type { Facts, UnitFact } from "./facts.ts";

const RETRY_AFTER_MS = 5_000;
const RETRY_AT_MOST_MS = 300_000;

export interface FactPorts {
  readonly store: CensusStore & SweepStore & Pick<ChangeStore, "readChange">;
  readonly units: AttachedUnits;
}

/**
 * Reads registers, counts rows. `retryNow`: rows that failed are due whatever their last attempt was; `sweepDue`: so are
 * those that a sweep could not open.
 */
export async function gatherFacts(
  ports: FactPorts,
  change: Change,
  at: { readonly nowMs: number; readonly retryNow: boolean; readonly sweepDue?: boolean },
): Promise<Facts> {
  const { store, units } = ports;
  const scope = { group: change.group, type: change.type };
  const attached = await units.refreshGroup(change.group);
  const [rows, sweeps, census] = await Promise.all([
    store.countProgress({ ...scope, changeId: change.id, from: change.from, to: change.to }),
    store.readSweeps({ changeId: change.id }),
    store.census(scope),
  ]);
  const failures = rows.failed > 0 ? await store.listFailedRows({ changeId: change.id, limit: 1000 }) : [];
  return {
    units: unitFacts(attached, change.type),
    rows,
    sweeps,
    failedDue: at.retryNow || failures.some(({ attempt, atMs }) => at.nowMs >= atMs + retryDelayMs(attempt)),
    sweepDue: at.retryNow || at.sweepDue === true,
    keptPatterns: census.filter((line) => line.previous > 0).map((line) => line.vp),
  };
}

export function unitFacts(attached: readonly AttachedUnit[], type: MasterKeyType): readonly UnitFact[] {
  return attached.map((unit) => ({
    address: unit.record.address,
    state: unit.record.state,
    decidedByPerson: unit.record.stateBy !== CLAVIGER,
    reading: readingOf(unit, type),
  }));
}

/** Doubles with every attempt. */
function retryDelayMs(attempt: number): number {
  return Math.min(RETRY_AT_MOST_MS, RETRY_AFTER_MS * 2 ** Math.max(0, attempt - 1));
}
