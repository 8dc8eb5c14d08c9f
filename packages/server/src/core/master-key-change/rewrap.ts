import type { Clock } from "../clock.ts";
import { Failure, isFailure } from "../errors.ts";
import type { UnitAddress, Vp } from "../ids.ts";
import type {
  ClaimRequest,
  RewrapOutcome,
  RewrapRow,
  RewrapStore,
  WorkOrder,
} from "../ports/change-store.ts";
import type { AttachedUnits, ReachableUnit } from "../unit/attached-units.ts";
import { readingOf } from "../unit/attached-units.ts";
import type { KekBatch } from "../unit/crypto-unit.ts";
import type { Change } from "./change.ts";
import type { Pace } from "./pace.ts";

/** Rows of one batch: one call of the unit, one transaction. Larger ones hold the database's write lock too long. */
export const BATCH_ROWS = 500;
/** While clients are served a batch is short, so that none waits long behind it. */
export const POLITE_BATCH_ROWS = 100;
/** Workers beside each other: while one batch is in the unit another is being written. */
const LANES = 2;
/** A worker that does not come back in this time is taken for dead, and its rows for free. */
const LEASE_MS = 30_000;

export interface RewrapPorts {
  readonly store: Pick<RewrapStore, "claimRows" | "commitRows">;
  readonly units: AttachedUnits;
  readonly clock: Clock;
  readonly pace: Pace;
}

export interface RewrapOrder extends WorkOrder {
  /** With its target pinned. */
  readonly change: Change & { readonly to: Vp };
  readonly which: ClaimRequest["which"];
  readonly batchRows: number;
  /** Names the workers in their leases. */
  readonly worker: string;
  /** Ends the work at the end of the batch. */
  readonly signal: AbortSignal;
}

export interface Rewrapped {
  readonly written: number;
  readonly refused: number;
}

/**
 * Gives rows their verified form under the target, batch by batch, until none is left to claim, the change has moved,
 * or `signal` aborts. What another worker does meanwhile is no harm: every write is conditional.
 * @throws Failure `no-serving-unit` when no unit holds both master keys, and those of the store.
 */
export async function reencipherRows(ports: RewrapPorts, order: RewrapOrder): Promise<Rewrapped> {
  const lanes = Array.from({ length: LANES }, (_, lane) => runLane(ports, order, `${order.worker}/${lane}`));
  const done = await Promise.allSettled(lanes);
  let written = 0;
  let refused = 0;
  for (const lane of done) {
    if (lane.status === "rejected") throw lane.reason;
    written += lane.value.written;
    refused += lane.value.refused;
  }
  return { written, refused };
}

async function runLane(ports: RewrapPorts, order: RewrapOrder, owner: string): Promise<Rewrapped> {
  const { store, clock, pace } = ports;
  const { changeId, generation, signal } = order;
  const claim = (): ClaimRequest => {
    const nowMs = clock.nowMs();
    return { lease: { owner, nowMs, untilMs: nowMs + LEASE_MS }, limit: order.batchRows, which: order.which };
  };
  let written = 0;
  let refused = 0;
  let claimed = await store.claimRows({ changeId, generation, ...claim() });
  while (claimed !== "moved" && claimed.rows.length > 0) {
    const startedMs = clock.nowMs();
    const { rows } = claimed;
    const outcomes = await reencipherBatch(ports.units, order.change, rows);
    refused += outcomes.filter(({ outcome }) => "refused" in outcome).length;
    const next = signal.aborted || order.which.rows === "failed" ? undefined : claim();
    claimed = await store.commitRows({ changeId, generation, outcomes, nowMs: clock.nowMs(), next });
    if (claimed === "moved") break;
    written += claimed.written;
    const elapsedMs = clock.nowMs() - startedMs;
    await pace.afterBatch(
      { rows: rows.length * LANES, elapsedMs, rowsPerSecond: order.change.rowsPerSecond },
      signal,
    );
  }
  return { written, refused };
}

/** One batch through some unit that holds both master keys; another unit is tried when one does not answer. */
export async function reencipherBatch(
  units: AttachedUnits,
  change: Change & { readonly to: Vp },
  rows: readonly RewrapRow[],
): Promise<readonly RewrapOutcome[]> {
  return await onSomeUnit(units, change, async (at) => {
    const reused = await openReusable(at, change, rows);
    const rest = rows.filter((row) => !reused.has(row.n));
    const fresh =
      rest.length === 0 ? [] : await at.unit.keks.reencipher(batchOf(change, rest), change.from, change.to);
    const outcomes: RewrapOutcome[] = [];
    let next = 0;
    for (const { n, rowVersion } of rows) {
      const blob = reused.get(n);
      const outcome = blob ? { blob } : fresh[next++];
      if (!outcome) throw new Failure("internal", "a unit answered fewer rows than it was given");
      outcomes.push({ n, rowVersion, outcome });
    }
    return outcomes;
  });
}

/** A restore uses the forms of before the change again where they open. */
async function openReusable(
  at: ReachableUnit,
  change: Change & { readonly to: Vp },
  rows: readonly RewrapRow[],
): Promise<ReadonlyMap<number, Uint8Array>> {
  const reusable = rows.flatMap((row) => (row.reusable ? [{ ...row, blob: row.reusable }] : []));
  const opened = new Map<number, Uint8Array>();
  if (reusable.length === 0) return opened;
  const answers = await at.unit.keks.verify(batchOf(change, reusable), change.to, ["NEW", "CURRENT"]);
  for (const [index, row] of reusable.entries()) {
    if (answers[index] === "opened") opened.set(row.n, row.blob);
  }
  return opened;
}

async function onSomeUnit<Result>(
  units: AttachedUnits,
  change: Change & { readonly to: Vp },
  work: (at: ReachableUnit) => Promise<Result>,
): Promise<Result> {
  const tried = new Set<UnitAddress>();
  for (;;) {
    const at = units
      .serving(change.group)
      .find((unit) => !tried.has(unit.record.address) && holdsBoth(unit, change));
    if (!at) throw new Failure("no-serving-unit", "no serving unit holds both master keys of the change");
    try {
      return await work(at);
    } catch (error) {
      if (!isFailure(error, "unit-unreachable", "register-pattern-mismatch")) throw error;
      tried.add(at.record.address);
      await units.refresh(at.record.address);
    }
  }
}

function holdsBoth(unit: ReachableUnit, change: Change & { readonly to: Vp }): boolean {
  const reading = readingOf(unit, change.type);
  if (!reading) return false;
  const { NEW, CURRENT, OLD } = reading;
  const hasFrom = CURRENT.vp === change.from || OLD.vp === change.from;
  const hasTo = CURRENT.vp === change.to || (NEW.state === "full committed" && NEW.vp === change.to);
  return hasFrom && hasTo;
}

export function batchOf(scope: Pick<Change, "group" | "type">, rows: readonly RewrapRow[]): KekBatch {
  return { group: scope.group, type: scope.type, rows };
}
