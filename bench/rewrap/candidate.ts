import { systemClock } from "../../packages/server/src/core/clock.ts";
import { uuid } from "../../packages/server/src/core/crypto/random.ts";
import type { ChangeId, KekId, ProjectId, Vp } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../../packages/server/src/core/ids.ts";
import { advanceChange } from "../../packages/server/src/core/master-key-change/advance-change.ts";
import type { Change } from "../../packages/server/src/core/master-key-change/change.ts";
import { BATCH_ROWS, reencipherRows } from "../../packages/server/src/core/master-key-change/rewrap.ts";
import type { Store } from "../../packages/server/src/core/ports/store.ts";
import { AttachedUnits } from "../../packages/server/src/core/unit/attached-units.ts";
import type { CryptoUnit } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { KekRow, RewrapPlace } from "./place.ts";
import type { UnitPlace } from "./unit-place.ts";

const SCOPE = { group: DEFAULT_GROUP, type: DEFAULT_TYPE };
const FILL_TRANSACTION_ROWS = 5_000;
const BY = { by: "bench", note: "bench" };

/** A database with KEKs and a unit with its CURRENT and a committed NEW, made once and copied for each round. */
export interface Template {
  readonly place: RewrapPlace;
  readonly unitPlace: UnitPlace;
  readonly rows: number;
  readonly from: Vp;
  readonly to: Vp;
}

/** Fills a database through the unit: every row is a KEK as `project create` makes one, MAC and check value included. */
export async function makeTemplate(
  place: RewrapPlace,
  unitPlace: UnitPlace,
  rows: number,
): Promise<Template> {
  const unit = await unitPlace.create();
  const type = DEFAULT_TYPE;
  const vpOfNew = async () => {
    const { NEW } = await unit.registers.execute({ verb: "generate", type });
    await unit.registers.execute({ verb: "commit", type, vp: NEW.vp ?? "" });
    return NEW.vp as Vp;
  };
  const from = await vpOfNew();
  await unit.registers.execute({ verb: "set-immediate", type, vp: from });
  const to = await vpOfNew();
  const store = await place.openTemplate();
  await store.createFence({ ...SCOPE, currentVp: from, atMs: systemClock.nowMs() });
  await store.close();
  await place.fill(newKeks(unit, rows, from));
  await unit.close();
  return { place, unitPlace, rows, from, to };
}

async function* newKeks(unit: CryptoUnit, rows: number, vp: Vp): AsyncGenerator<readonly KekRow[]> {
  for (let done = 0; done < rows; done += FILL_TRANSACTION_ROWS) {
    const rowsOfOne: KekRow[] = [];
    for (let i = done; i < Math.min(rows, done + FILL_TRANSACTION_ROWS); i += 1) {
      const [kekId, projectId] = [uuid() as KekId, uuid() as ProjectId];
      const { kcv, wrapped } = await unit.keks.create({ ...SCOPE, projectId, kekId }, [vp]);
      rowsOfOne.push({ kekId, projectId, kcv, blob: wrapped[0]?.blob ?? new Uint8Array() });
    }
    yield rowsOfOne;
  }
}

export interface CandidateRound {
  readonly seconds: number;
  readonly rowsPerSecond: number;
  readonly peakRssMiB: number;
}

/**
 * Re-enciphers every row of a copy of the template as the daemon does: claim, unit (MAC, unwrap, wrap, unwrap again and
 * compare, MAC), conditional and durable update under the fence; then the recount. Nothing else runs beside it.
 */
export async function reencipherCopy(template: Template): Promise<CandidateRound> {
  await using copy = await template.place.openCopy();
  const { store } = copy;
  const units = new AttachedUnits();
  try {
    await attach(units, await template.unitPlace.open());
    const ports = { store, units, clock: systemClock, pace: { afterBatch: () => Promise.resolve() } };
    const change = await reenciphering(store, template);
    const fence = await store.readFence(SCOPE);
    const rss = sampleRss();
    const started = process.hrtime.bigint();
    const done = await reencipherRows(ports, {
      changeId: change.id,
      generation: fence?.generation ?? 0,
      change: { ...change, to: template.to },
      which: { rows: "untried" },
      batchRows: BATCH_ROWS,
      worker: "bench",
      signal: new AbortController().signal,
    });
    await advanceChange(ports, change, { name: "ready" }, BY);
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    if (done.written !== template.rows) throw new Error(`${done.written} rows written, not ${template.rows}`);
    return { seconds, rowsPerSecond: Math.round(template.rows / seconds), peakRssMiB: rss() };
  } finally {
    await units.close();
  }
}

async function attach(units: AttachedUnits, unit: CryptoUnit): Promise<void> {
  const { address, group, adapter, publicKey } = unit.description;
  const standing = { state: "serving" as const, reason: undefined, stateBy: "bench", addedAtMs: 0 };
  await units.attach({ address, group, adapter, publicKey, ...standing }, unit);
}

async function reenciphering(store: Store, template: Template): Promise<Change> {
  const planned: Change = {
    id: uuid() as ChangeId,
    ...SCOPE,
    state: "PLANNED",
    from: template.from,
    to: undefined,
    expectedVp: undefined,
    restores: undefined,
    openedBy: "bench",
    openedAtMs: 0,
    paused: false,
    freeze: "none",
    rowsPerSecond: undefined,
    canary: undefined,
    blockedReason: undefined,
    approval: undefined,
  };
  await store.openChange({ change: planned, note: "bench" });
  const ports = { store, clock: systemClock };
  const staged = await advanceChange(ports, planned, { name: "staged", to: template.to }, BY);
  return await advanceChange(ports, staged, { name: "reencipher" }, BY);
}

/** Samples the resident memory of the process, threads included, until it is asked for the peak, in MiB. */
function sampleRss(): () => number {
  let peak = process.memoryUsage.rss();
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  return () => {
    clearInterval(timer);
    return Math.round(peak / 2 ** 20);
  };
}
