import { readChange } from "../master-key-change/advance-change.ts";
import type { Change, HistoryEntry } from "../master-key-change/change.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";
import type { Store } from "../ports/store.ts";
import type { FailedRow, RowProgress, Sweep } from "../ports/change-store.ts";
import type { PageOf } from "../ports/store-call.ts";

const FAILURES_SHOWN = 100;

/** A change with how far it is. */
export interface ChangeReport {
  readonly change: Change;
  readonly rows: RowProgress;
  readonly sweeps: readonly Sweep[];
  readonly failures: readonly FailedRow[];
  readonly history: readonly HistoryEntry[];
}

interface ReportPorts {
  readonly store: Store;
  readonly units: AttachedUnits;
}

/** @throws Failure `change-not-found`. */
export async function reportChange(
  ports: ReportPorts,
  input: { readonly id: Change["id"] },
): Promise<ChangeReport> {
  return await reportOf(ports, await readChange(ports, input.id));
}

/** The newest first. */
export async function listChangeReports(
  ports: ReportPorts,
  input: { readonly limit: number; readonly after: string | undefined },
): Promise<PageOf<ChangeReport>> {
  const page = await ports.store.listChanges({ ...input, openOnly: false });
  return { items: await Promise.all(page.items.map((change) => reportOf(ports, change))), next: page.next };
}

async function reportOf({ store, units }: ReportPorts, change: Change): Promise<ChangeReport> {
  const { id, group, type, from, to } = change;
  const [rows, sweeps, history] = await Promise.all([
    store.countProgress({ group, type, changeId: id, from, to }),
    store.readSweeps({ changeId: id }),
    store.readHistory({ id }),
  ]);
  const failures = rows.failed > 0 ? await store.listFailedRows({ changeId: id, limit: FAILURES_SHOWN }) : [];
  return { change, rows, sweeps: withUnitsToCome(units, change, sweeps), failures, history };
}

/** Serving units on which no row was opened yet are named too, so that "all complete" says what it seems to say. */
function withUnitsToCome(units: AttachedUnits, change: Change, sweeps: readonly Sweep[]): readonly Sweep[] {
  if (change.state !== "ACTIVATING" && change.state !== "ACTIVATED") return sweeps;
  const known = new Set(sweeps.map(({ unit }) => unit));
  const toCome = units
    .inGroup(change.group)
    .filter(({ record }) => record.state === "serving" && !known.has(record.address))
    .map(({ record }) => ({ unit: record.address, cursor: 0, opened: 0, refused: [], complete: false }));
  return [...sweeps, ...toCome];
}
