import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { Failure, isFailure } from "../errors.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { UnitAddress, Vp } from "../ids.ts";
import type { Alarms } from "../ports/alarms.ts";
import type { Store, WorkOrder } from "../ports/store.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";
import { advanceChange } from "./advance-change.ts";
import type { Change } from "./change.ts";
import type { Facts } from "./facts.ts";
import { CLAVIGER, gatherFacts } from "./gather-facts.ts";
import type { Step } from "./next-step.ts";
import { nextStep } from "./next-step.ts";
import type { Pace } from "./pace.ts";
import { BATCH_ROWS, POLITE_BATCH_ROWS, reencipherRows } from "./rewrap.ts";
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

/** How long it sleeps when nothing is to be done, unless it is woken. */
const POLL_MS = 1_000;

/**
 * Carries changes on. It knows no more than what is kept: each round reads change, registers and rows, decides one step
 * (next-step.ts), persists what must be persisted before it, and does it. An error ends the round, never the change.
 */
export class ChangeRunner {
  readonly #ports: RunnerPorts;
  #running: Promise<void> | undefined;
  #stopping = new AbortController();
  #interruption = new AbortController();
  #nap = new AbortController();
  #retryNow = false;
  #sweptAtMs = 0;

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
  }

  /** Leases of workers before this start are nobody's. */
  async start(): Promise<void> {
    await this.#ports.store.dropLeases({});
    this.#running = this.#run();
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
    try {
      const { items } = await this.#ports.store.listChanges({ limit: 100, after: undefined, openOnly: true });
      for (const change of items) worked = (await this.#step(change)) || worked;
    } catch (error) {
      this.#raise(error);
    }
    return worked;
  }

  async #step(change: Change): Promise<boolean> {
    try {
      return await this.carryOn(change);
    } catch (error) {
      if (isFailure(error, "change-state", "change-not-ready")) return true;
      this.#raise(error);
      if (isFailure(error)) await this.#block(change, error.message);
      return false;
    }
  }

  #raise(error: unknown): void {
    this.#ports.alarms.raise("runner-failed", error instanceof Error ? error.message : String(error));
  }

  /** Does the next step of one change. Returns false when there is nothing to do but wait. */
  async carryOn(change: Change): Promise<boolean> {
    const { clock, store, vouchedRows } = this.#ports;
    const fence = await store.readFence(change);
    if (!fence) throw new Failure("store-damaged", `change ${change.id} has no fence`);
    const order: WorkOrder = { changeId: change.id, generation: fence.generation };
    if (change.approval?.approvedBy) await vouchedRows.checkApproval(change.id, change.approval);
    const nowMs = clock.nowMs();
    const retryNow = this.#retryNow || (this.#sweptAtMs > 0 && nowMs - this.#sweptAtMs > 10_000);
    const facts = await gatherFacts(this.#ports, change, { nowMs, retryNow });
    const step = nextStep(change, facts);
    if (retryNow && step.do !== "wait" && step.do !== "block") this.#retryNow = false;
    if (step.do === "block") return await this.#block(change, step.reason);
    if (change.blockedReason !== undefined) await this.#amend(change, { blockedReason: undefined });
    return await this.#perform(change, order, facts, step);
  }

  async #perform(
    change: Change,
    order: WorkOrder,
    facts: Facts,
    step: Exclude<Step, { do: "block" }>,
  ): Promise<boolean> {
    const { store, units } = this.#ports;
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
        return await this.#reencipher(change, order, step.rows);
      case "activate-unit":
        await this.#amend(change, { canary: change.canary ?? step.unit });
        await units.execute(step.unit, { verb: "activate", type: change.type, vp: target(change).to });
        return true;
      case "sweep":
        return await this.#sweep(change, order, facts, step.unit);
      case "finalize-rows":
        return (await store.finalizeRows({ ...order, limit: BATCH_ROWS })) !== 0;
      case "drop-next-forms":
        return (await store.dropNextForms({ ...order, limit: BATCH_ROWS })) !== 0;
      case "drop-old-forms":
        return (await store.dropOldForms({ ...order, limit: BATCH_ROWS })) !== 0;
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

  async #reencipher(change: Change, order: WorkOrder, rows: "untried" | "failed"): Promise<boolean> {
    const done = await reencipherRows(this.#ports, {
      ...order,
      change: target(change),
      which: rows === "untried" ? { rows } : { rows, failedBeforeMs: this.#ports.clock.nowMs() },
      batchRows: POLITE_BATCH_ROWS,
      worker: "local",
      signal: this.#interruption.signal,
    });
    if (done.refused > 0)
      this.#ports.alarms.raise("rows-refused", `change ${change.id}: ${done.refused} KEKs refused`);
    return true;
  }

  async #sweep(change: Change, order: WorkOrder, facts: Facts, unit: UnitAddress): Promise<boolean> {
    this.#sweptAtMs = this.#ports.clock.nowMs();
    const begun = facts.sweeps.find((sweep) => sweep.unit === unit);
    const sweep = await sweepUnit(this.#ports, {
      ...order,
      change: target(change),
      unit,
      begun,
      signal: this.#interruption.signal,
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

function target(change: Change): Change & { readonly to: Vp } {
  const { to } = change;
  if (to === undefined) throw new Failure("internal", "a change went on without a pinned target");
  return { ...change, to };
}
