import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { Failure, isFailure } from "../errors.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { UnitAddress, Vp } from "../ids.ts";
import type { Alarms } from "../ports/alarms.ts";
import type { Store } from "../ports/store.ts";
import type { WorkOrder } from "../ports/change-store.ts";
import { SerialQueue } from "../serial-queue.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";
import { noteGenerations } from "../unit/generations.ts";
import { noteRecords } from "../unit/note-records.ts";
import { CLAVIGER, watchUnits } from "../unit/watch-units.ts";
import { advanceChange, readChange } from "./advance-change.ts";
import type { Change } from "./change.ts";
import type { Facts } from "./facts.ts";
import { gatherFacts } from "./gather-facts.ts";
import type { Step } from "./next-step.ts";
import { nextStep } from "./next-step.ts";
import type { Pace } from "./pace.ts";
import { POLITE_BATCH_ROWS, reencipherRows } from "./rewrap.ts";
import { sweepUnit } from "./sweep-unit.ts";

export interface RunnerPorts {
  readonly store: Store;
  readonly units: AttachedUnits;
  readonly materials: OpenedMaterials;
  readonly vouchedRows: VouchedRows;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly pace: Pace;
}

/** What a step is done by: the facts on which it was decided, and what ends it at the end of a batch. */
interface Work {
  readonly order: WorkOrder;
  readonly facts: Facts;
  readonly signal: AbortSignal;
}

/** How long it sleeps when nothing is to be done, unless it is woken. */
const POLL_MS = 1_000;
/** When rows that did not open are tried again; at once after a start. */
const SWEEP_AGAIN_MS = 10_000;
/** How often units are looked at while no change is open, and all of them answer; in each round while one does not. */
const WATCH_MS = 3_000;

/**
 * Carries changes on. It knows no more than what is kept: each round reads change, registers and rows, decides one step
 * (next-step.ts), persists what must be persisted before it, and does it. An error ends the round, never the change.
 */
export class ChangeRunner {
  readonly #ports: RunnerPorts;
  readonly #activations = new SerialQueue();
  #running: Promise<void> | undefined;
  #stopping = new AbortController();
  #interruption = new AbortController();
  #nap = new AbortController();
  #retryNow = false;
  #sweptAtMs = 0;
  #watchedAtMs = 0;

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
  }

  /** Leases of workers before this start are nobody's. Once it runs, another call does nothing. */
  async start(): Promise<void> {
    if (this.#running) return;
    await this.#ports.store.dropLeases({});
    this.#running ??= this.#run();
  }

  /** Something has changed: look again now. */
  wake(): void {
    this.#nap.abort();
  }

  /** Ends the batch that is running, so that the change is looked at again: after pause and cancel. */
  interrupt(): void {
    this.#interruption.abort();
    this.#interruption = new AbortController();
    this.wake();
  }

  /** Rows that failed are tried again at the next look. */
  retryFailed(): void {
    this.#retryNow = true;
    this.wake();
  }

  /**
   * Runs `work` while no unit is told to activate: a command under way has ended, with its outcome in the registers, and
   * the next one looks first whether `work` has moved the change.
   */
  withoutActivation<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#activations.run(work);
  }

  /** Stops at the end of the batch. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.interrupt();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#nap = new AbortController();
      const worked = await this.#round();
      if (!worked) await this.#ports.clock.sleep(POLL_MS, this.#nap.signal);
    }
  }

  /** One step of every change that is open. Returns whether there may be more to do at once. */
  async #round(): Promise<boolean> {
    let worked = false;
    // From before the changes are read: a pause that comes after that ends what is decided from them.
    const { signal } = this.#interruption;
    try {
      await this.#watch();
      const { items } = await this.#ports.store.listChanges({ limit: 100, after: undefined, openOnly: true });
      for (const change of items) worked = (await this.#step(change, signal)) || worked;
    } catch (error) {
      this.#raise(error);
    }
    return worked;
  }

  async #watch(): Promise<void> {
    const nowMs = this.#ports.clock.nowMs();
    const isAwaited = this.#ports.units.all().some(({ unit, readings }) => unit && !readings);
    if (!isAwaited && nowMs - this.#watchedAtMs < WATCH_MS) return;
    this.#watchedAtMs = nowMs;
    await watchUnits(this.#ports);
  }

  async #step(change: Change, signal: AbortSignal): Promise<boolean> {
    try {
      return await this.carryOn(change, signal);
    } catch (error) {
      if (isFailure(error, "change-state", "change-moved", "change-not-ready")) return true;
      this.#raise(error);
      if (isFailure(error)) await this.#block(change, error.message);
      return false;
    }
  }

  #raise(error: unknown): void {
    this.#ports.alarms.raise("runner-failed", error instanceof Error ? error.message : String(error));
  }

  /**
   * Does the next step of one change, ending it early when `signal` aborts. Returns false when there is nothing to do
   * but wait.
   */
  async carryOn(change: Change, signal: AbortSignal = this.#interruption.signal): Promise<boolean> {
    const { clock, store, vouchedRows } = this.#ports;
    const fence = await store.readFence(change);
    if (!fence) throw new Failure("store-damaged", `change ${change.id} has no fence`);
    const order: WorkOrder = { changeId: change.id, generation: fence.generation };
    if (change.approval?.approvedBy) await vouchedRows.checkApproval(change.id, change.approval);
    const nowMs = clock.nowMs();
    const retryNow = this.#retryNow;
    const sweepDue = nowMs - this.#sweptAtMs > SWEEP_AGAIN_MS;
    const facts = await gatherFacts(this.#ports, change, { nowMs, retryNow, sweepDue });
    const step = nextStep(change, facts);
    if (retryNow && step.do !== "wait" && step.do !== "block") this.#retryNow = false;
    if (step.do === "block") return await this.#block(change, step.reason);
    if (change.blockedReason !== undefined) await this.#amend(change, { blockedReason: undefined });
    return await this.#perform(change, { order, facts, signal }, step);
  }

  async #perform(change: Change, work: Work, step: Exclude<Step, { do: "block" }>): Promise<boolean> {
    const { store, units } = this.#ports;
    const { order, facts } = work;
    switch (step.do) {
      case "wait":
        return false;
      case "advance":
        await this.#advance(change, facts, step);
        return true;
      case "quarantine":
        return await this.#quarantine(change, step.unit, step.reason);
      case "readmit":
        return await this.#setUnit(step.unit, "serving", undefined);
      case "reencipher":
        return await this.#reencipher(change, work, step.rows);
      case "activate-unit":
        return await this.#activate(target(change), step.unit);
      case "sweep":
        return await this.#sweep(change, work, step.unit);
      case "finalize-rows":
        return await this.#inBatches(change, work, (limit) => store.finalizeRows({ ...order, limit }));
      case "drop-next-forms":
        return await this.#inBatches(change, work, (limit) => store.dropNextForms({ ...order, limit }));
      case "drop-old-forms":
        return await this.#inBatches(change, work, (limit) => store.dropOldForms({ ...order, limit }));
      case "clear": {
        const vp = step.register === "NEW" ? target(change).to : change.from;
        await units.execute(step.unit, { verb: "clear", register: step.register, type: change.type, vp });
        return true;
      }
    }
  }

  async #advance(change: Change, facts: Facts, step: Extract<Step, { do: "advance" }>): Promise<void> {
    if (step.event.name === "activated") {
      for (const sweep of facts.sweeps) {
        await this.#ports.store.writeSweep({ changeId: change.id, sweep: { ...sweep, complete: false } });
      }
    }
    await advanceChange(this.#ports, change, step.event, { by: CLAVIGER, note: step.note });
  }

  /** Whoever cancels meanwhile is before the command, which is then not given, or behind it, and sees what it did. */
  async #activate(change: Change & { readonly to: Vp }, unit: UnitAddress): Promise<boolean> {
    const { store, units } = this.#ports;
    await this.#amend(change, { canary: change.canary ?? unit });
    await this.withoutActivation(async () => {
      const { state } = await readChange({ store }, change.id);
      if (state !== change.state) return;
      await noteGenerations(store, units.reachable(unit));
      await units.execute(unit, { verb: "activate", type: change.type, vp: change.to });
    });
    return true;
  }

  async #reencipher(change: Change, { order, signal }: Work, rows: "untried" | "failed"): Promise<boolean> {
    const done = await reencipherRows(this.#ports, {
      ...order,
      change: target(change),
      which: rows === "untried" ? { rows } : { rows, failedBeforeMs: this.#ports.clock.nowMs() },
      batchRows: batchRowsFor(change.rowsPerSecond),
      worker: "local",
      signal,
    });
    if (done.refused > 0)
      this.#ports.alarms.raise("rows-refused", `change ${change.id}: ${done.refused} KEKs refused`);
    return true;
  }

  /** Moves or drops forms batch by batch, paced as re-enciphering is, until no row is left or the change has moved. */
  async #inBatches(
    change: Change,
    { signal }: Work,
    write: (limit: number) => Promise<"moved" | number>,
  ): Promise<boolean> {
    const { clock, pace } = this.#ports;
    const { rowsPerSecond } = change;
    let worked = false;
    while (!signal.aborted) {
      const startedMs = clock.nowMs();
      const rows = await write(2 * batchRowsFor(rowsPerSecond)); // as re-enciphering, which has two lanes
      if (rows === 0) break;
      worked = true;
      if (rows === "moved") break;
      await pace.afterBatch({ rows, elapsedMs: clock.nowMs() - startedMs, rowsPerSecond }, signal);
    }
    return worked;
  }

  async #sweep(change: Change, { order, facts, signal }: Work, unit: UnitAddress): Promise<boolean> {
    this.#sweptAtMs = this.#ports.clock.nowMs();
    const begun = facts.sweeps.find((sweep) => sweep.unit === unit);
    const sweep = await sweepUnit(this.#ports, {
      ...order,
      change: target(change),
      unit,
      begun,
      signal,
    });
    if (sweep.refused.length > 0) {
      this.#ports.alarms.raise(
        "rows-refused",
        `change ${change.id}: ${sweep.refused.length} KEKs do not open on ${unit}`,
      );
    } else this.#sweptAtMs = 0;
    return true;
  }

  async #quarantine(change: Change, unit: UnitAddress, reason: string): Promise<boolean> {
    this.#ports.alarms.raise("unit-quarantined", `unit ${unit}: ${reason} (change ${change.id})`);
    const done = await this.#setUnit(unit, "quarantined", reason);
    this.#ports.materials.dropUnit(unit);
    return done;
  }

  async #setUnit(
    address: UnitAddress,
    state: "serving" | "quarantined",
    reason: string | undefined,
  ): Promise<boolean> {
    const { store, units } = this.#ports;
    const { record } = units.find(address);
    const outcome = await store.setUnitState({ address, from: [record.state], state, reason, by: CLAVIGER });
    if (outcome === "done") units.noteRecord({ ...record, state, reason, stateBy: CLAVIGER });
    else await noteRecords(this.#ports);
    return true;
  }

  async #block(change: Change, reason: string): Promise<boolean> {
    if (change.blockedReason === reason) return false;
    this.#ports.alarms.raise("change-blocked", `change ${change.id} (${change.state}): ${reason}`);
    await this.#amend(change, { blockedReason: reason });
    return false;
  }

  async #amend(change: Change, amendment: Parameters<Store["amendChange"]>[0]["amendment"]): Promise<void> {
    await this.#ports.store.amendChange({ id: change.id, state: change.state, amendment, entry: undefined });
  }
}

/** Four batches a second at least, so that a slow change can be paused and is spread evenly. */
function batchRowsFor(rowsPerSecond: number | undefined): number {
  return rowsPerSecond === undefined
    ? POLITE_BATCH_ROWS
    : Math.min(POLITE_BATCH_ROWS, Math.ceil(rowsPerSecond / 4));
}

function target(change: Change): Change & { readonly to: Vp } {
  const { to } = change;
  if (to === undefined) throw new Failure("internal", "a change went on without a pinned target");
  return { ...change, to };
}
