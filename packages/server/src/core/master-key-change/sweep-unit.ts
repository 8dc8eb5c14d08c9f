import type { Clock } from "../clock.ts";
import type { UnitAddress, Vp } from "../ids.ts";
import type { RewrapRow, Sweep, SweepStore, WorkOrder } from "../ports/change-store.ts";
import type { RewrapStore } from "../ports/change-store.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";
import type { Change } from "./change.ts";
import type { Pace } from "./pace.ts";
import { BATCH_ROWS, batchOf, reencipherBatch } from "./rewrap.ts";

/** Rows that did not open are kept by number; with more than this there is no point in going on. */
export const REFUSED_LIMIT = 100;

export interface SweepPorts {
  readonly store: Pick<SweepStore, "readSweepRows" | "writeSweep"> & Pick<RewrapStore, "commitRows">;
  readonly units: AttachedUnits;
  readonly clock: Clock;
  readonly pace: Pace;
}

/**
 * Opens every row under the target on one unit that has activated, from where the last sweep of that unit stopped, and
 * keeps how far it came. A row that does not open is re-enciphered again from its form under the old master key, and
 * tried again. Ends when nothing is left, when too many rows are refused, or when `signal` aborts.
 */
export async function sweepUnit(
  ports: SweepPorts,
  order: WorkOrder & {
    readonly change: Change & { readonly to: Vp };
    readonly unit: UnitAddress;
    readonly begun: Sweep | undefined;
    readonly signal: AbortSignal;
  },
): Promise<Sweep> {
  const { change, signal } = order;
  let sweep = order.begun ?? { unit: order.unit, cursor: 0, opened: 0, refused: [], complete: false };
  if (sweep.refused.length > 0) sweep = await tryAgain(ports, order, sweep);
  while (!signal.aborted && sweep.refused.length < REFUSED_LIMIT) {
    const startedMs = ports.clock.nowMs();
    const scope = { group: change.group, type: change.type, vp: change.to };
    const found = await ports.store.readSweepRows({
      ...scope,
      after: sweep.cursor,
      only: undefined,
      limit: BATCH_ROWS,
    });
    const { refused, opened } = await openRows(ports, order, found.rows);
    sweep = {
      unit: order.unit,
      cursor: found.last,
      opened: sweep.opened + opened,
      refused: [...sweep.refused, ...found.lacking, ...refused],
      complete: found.rows.length + found.lacking.length === 0,
    };
    await ports.store.writeSweep({ changeId: change.id, sweep });
    if (sweep.complete) break;
    const elapsedMs = ports.clock.nowMs() - startedMs;
    await ports.pace.afterBatch(
      { rows: found.rows.length, elapsedMs, rowsPerSecond: change.rowsPerSecond },
      signal,
    );
  }
  return sweep;
}

async function openRows(
  ports: SweepPorts,
  order: { readonly change: Change & { readonly to: Vp }; readonly unit: UnitAddress },
  rows: readonly RewrapRow[],
): Promise<{ readonly opened: number; readonly refused: readonly number[] }> {
  if (rows.length === 0) return { opened: 0, refused: [] };
  const { unit } = ports.units.reachable(order.unit);
  const answers = await unit.keks.verify(batchOf(order.change, rows), order.change.to, ["CURRENT"]);
  const refused = rows.filter((_, index) => answers[index] !== "opened").map(({ n }) => n);
  return { opened: rows.length - refused.length, refused };
}

/** Re-enciphers the refused rows from their form under the old master key where they have one, and opens them again. */
async function tryAgain(
  ports: SweepPorts,
  order: WorkOrder & { readonly change: Change & { readonly to: Vp }; readonly unit: UnitAddress },
  sweep: Sweep,
): Promise<Sweep> {
  const { change } = order;
  const scope = {
    group: change.group,
    type: change.type,
    after: 0,
    only: sweep.refused,
    limit: REFUSED_LIMIT * 6,
  };
  const stillUnderFrom = await ports.store.readSweepRows({ ...scope, vp: change.from });
  if (stillUnderFrom.rows.length > 0) {
    const outcomes = await reencipherBatch(ports.units, change, stillUnderFrom.rows);
    const { changeId, generation } = order;
    await ports.store.commitRows({
      changeId,
      generation,
      outcomes,
      nowMs: ports.clock.nowMs(),
      next: undefined,
    });
  }
  const again = await ports.store.readSweepRows({ ...scope, vp: change.to });
  const { opened, refused } = await openRows(ports, order, again.rows);
  const tried: Sweep = { ...sweep, opened: sweep.opened + opened, refused: [...again.lacking, ...refused] };
  await ports.store.writeSweep({ changeId: change.id, sweep: tried });
  return tried;
}
