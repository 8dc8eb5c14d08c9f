import type { Clock } from "../clock.ts";
import type { Failure } from "../errors.ts";
import { isFailure } from "../errors.ts";
import type { UnitAddress } from "../ids.ts";
import { DEFAULT_GROUP } from "../ids.ts";
import type { Alarms } from "../ports/alarms.ts";
import type { AuditFaultFound } from "../ports/audit-log.ts";
import type { RollbackStore } from "../ports/rollback-store.ts";
import type { UnitStore } from "../ports/store.ts";
import { SerialQueue } from "../serial-queue.ts";
import type { AnchoredHead, Anchors } from "../unit/anchors.ts";
import { olderThan, withHeads } from "../unit/anchors.ts";
import type { AttachedUnits, ReachableUnit } from "../unit/attached-units.ts";
import { isReachable } from "../unit/attached-units.ts";
import type { CryptoUnit } from "../unit/crypto-unit.ts";
import { describeUnseenGeneration, noteFirstGenerations, noteGenerations } from "../unit/generations.ts";
import type { ClaimedHead, KeptAnchors } from "./kept-anchors.ts";
import { describeMissing, describeOlder, joinAnchors } from "./kept-anchors.ts";
import { markRolledBack } from "./mark-rolled-back.ts";

/** A unit that keeps nothing is tried again after this time, if no signature comes before. */
const RETRY_MS = 10_000;

/** Says which of these heads the audit log does not have, and are in no archive either. */
export type FindMissing = (heads: readonly ClaimedHead[]) => Promise<readonly ClaimedHead[]>;

export interface AnchorKeeperPorts {
  readonly units: AttachedUnits;
  readonly store: Pick<RollbackStore, "readRollback" | "readMoment" | "markRollback"> &
    Pick<UnitStore, "noteGeneration" | "listGenerations">;
  readonly alarms: Alarms;
  readonly clock: Clock;
  /** Hears of what is worth a line of the log, and no alarm. */
  readonly note: (text: string) => void;
}

/**
 * Keeps in the crypto units how far the database and the audit log have come, and finds out by that whether what is there
 * now is older. Nobody waits for it: a signed head is handed over when it is durable, and anchored when its turn comes.
 *
 * While a rollback waits to be accepted nothing is anchored, so that what shows it stays.
 */
export class AnchorKeeper {
  readonly #ports: AnchorKeeperPorts;
  readonly #queue = new SerialQueue();
  /** What the units have, or should have. */
  #anchored: Anchors | undefined;
  #claimed: readonly ClaimedHead[] = [];
  /** Units whose anchors were looked at before they were written over. */
  readonly #known = new WeakSet<CryptoUnit>();
  /** Signed, and not anchored yet. */
  #signed: readonly AnchoredHead[] = [];
  /** The head that was signed last. */
  #last: AnchoredHead | undefined;
  #findMissing: FindMissing | undefined;
  #isWaiting = false;
  #retry: AbortController | undefined;
  /** Units that have not kept the last anchors. */
  readonly #lagging = new Set<UnitAddress>();
  #isTroubled = false;

  constructor(ports: AnchorKeeperPorts) {
    this.#ports = ports;
  }

  /** Units that answer, and do not keep the last anchors. */
  get lagging(): readonly UnitAddress[] {
    return [...this.#lagging];
  }

  /** One sentence for each reason why something is not anchored. The service goes on all the same; its log says why. */
  troubles(): readonly string[] {
    const units = this.lagging.map((unit) => `crypto unit ${unit} keeps no anchors`);
    return this.#isTroubled ? [...units, "nothing is anchored"] : units;
  }

  /** Before anything is done by what the database says: marks it as rolled back when a unit has seen a later one. */
  async examineStore(): Promise<void> {
    // What is marked already, by a restore above all, is known to be older.
    const isMarked = (await this.#ports.store.readRollback({})) !== undefined;
    const kept = await this.#readUnits((unit, failure) => this.#missed(unit, failure));
    for (const { read } of kept) this.#known.add(read);
    const joined = joinAnchors(kept);
    this.#anchored = joined.newest;
    this.#claimed = joined.heads;
    for (const unit of joined.behind) this.#ports.note(`crypto unit ${unit} has older anchors than others`);
    const older = await this.#olderStore(kept);
    if (isMarked) return;
    if (older !== undefined) await this.#mark(`found ${older}`);
    else await noteFirstGenerations(this.#ports.store, this.#ports.units.all());
  }

  /** When the audit log is open: the same for its file. Signed heads are anchored from then on. */
  async examineLog(findMissing: FindMissing): Promise<void> {
    this.#findMissing = findMissing;
    await this.#markMissing(this.#claimed);
    this.#wake();
  }

  /** Takes a signed head that is durable. */
  keep(head: AnchoredHead): void {
    this.#signed = withHeads(this.#signed, [head]);
    this.#last = head;
    if (this.#findMissing) this.#wake();
  }

  /** What the units claim now, for a verification: heads that the log must have, and what is wrong besides. */
  async claims(): Promise<{
    readonly heads: readonly ClaimedHead[];
    readonly faults: readonly AuditFaultFound[];
  }> {
    const faults: AuditFaultFound[] = [];
    const fault = (what: string, detail: string): void =>
      void faults.push({ what, chain: "", seq: 0, detail });
    const kept = await this.#readUnits(async (unit, { message }) =>
      fault("anchors-missing", `Crypto unit ${unit}: ${message}`),
    );
    const older = await this.#olderStore(kept);
    if (older !== undefined) fault("store-older", `The database is ${older}.`);
    return { heads: joinAnchors(kept).heads, faults };
  }

  /** Runs `work` while nothing else is anchored. */
  alone<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#queue.run(work);
  }

  /**
   * Anchors the database and the log as they are, in a new epoch, instead of everything that was anchored: inside `alone`.
   * Returns the epoch, which the database has to begin then.
   * @throws Failure of the first unit when none keeps it, though some still have what it is to replace.
   */
  async renew(): Promise<number> {
    const { store } = this.#ports;
    let isClaimed = false;
    const kept = await this.#readUnits(async () => void (isClaimed = true));
    const moment = await store.readMoment({});
    const epochs = [moment.epoch, this.#anchored?.store.epoch ?? 0];
    for (const { anchors } of kept) {
      if (!anchors) continue;
      isClaimed = true;
      epochs.push(anchors.store.epoch);
    }
    const epoch = Math.max(...epochs) + 1;
    const next = { store: { ...moment, epoch }, heads: this.#last ? [this.#last] : [] };
    const able = this.#units();
    const failures = await Promise.all(able.map((unit) => this.#keepIn(unit, next)));
    const [failure] = failures;
    if (failure && isClaimed && failures.every((one) => one !== undefined)) throw failure;
    for (const [i, { unit }] of able.entries()) if (!failures[i]) this.#known.add(unit);
    for (const unit of this.#ports.units.all().filter(isReachable)) await noteGenerations(store, unit);
    this.#anchored = next;
    this.#signed = [];
    return epoch;
  }

  /** Anchors what was signed, once more, and no more after that. */
  async close(): Promise<void> {
    this.#retry?.abort();
    await this.#queue.run(async () => undefined);
    this.#retry?.abort();
  }

  #wake(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    void this.#queue.run(async () => {
      this.#isWaiting = false;
      await this.#tryToAnchor();
    });
  }

  async #tryToAnchor(): Promise<void> {
    try {
      await this.#anchor();
      this.#isTroubled = false;
    } catch (error) {
      // Whatever it is, nobody waits for this; it is tried again, and meanwhile the service says that it fails.
      const why = error instanceof Error ? error.message : String(error);
      if (!this.#isTroubled) this.#ports.alarms.raise("anchor-not-kept", `nothing is anchored: ${why}`);
      this.#isTroubled = true;
    }
    if (this.#isTroubled || this.#lagging.size > 0) this.#tryLater();
  }

  #tryLater(): void {
    if (this.#retry) return;
    const retry = new AbortController();
    this.#retry = retry;
    void this.#ports.clock.sleep(RETRY_MS, retry.signal).then(() => {
      this.#retry = undefined;
      if (!retry.signal.aborted) this.#wake();
    });
  }

  async #anchor(): Promise<void> {
    const { store } = this.#ports;
    if (await store.readRollback({})) return;
    const heads = this.#signed;
    const before = this.#anchored;
    const moment = await store.readMoment({});
    const older = before && olderThan(moment, before.store);
    if (older !== undefined) return await this.#mark(`found older than it was served before: ${older}`);
    const kept = before?.store.epoch === moment.epoch ? before.heads : [];
    const next = { store: moment, heads: withHeads(kept, heads) };
    const units: ReachableUnit[] = [];
    for (const unit of this.#units()) if (await this.#mayWriteOver(unit, next)) units.push(unit);
    await Promise.all(units.map((unit) => this.#keepIn(unit, next)));
    this.#anchored = next;
    this.#signed = this.#signed.filter((head) => !heads.includes(head));
  }

  /** Units that came after the start are looked at first: they may have seen what is not here. */
  async #mayWriteOver(reachable: ReachableUnit, next: Anchors): Promise<boolean> {
    const { unit, record } = reachable;
    if (this.#known.has(unit)) return true;
    try {
      const anchors = await unit.anchors.read();
      const own = [{ unit: record.address, anchors }];
      const isCurrent = anchors !== undefined && anchors.store.epoch >= next.store.epoch;
      const isWhole = !isCurrent || !(await this.#markMissing(joinAnchors(own).heads));
      const older = describeOlder(next.store, own);
      if (older !== undefined) await this.#mark(`found ${older}`);
      if (older !== undefined || !isWhole) return false;
    } catch (error) {
      if (!isFailure(error)) throw error;
      if (error.code === "unit-file-tampered") await this.#missed(record.address, error);
      else this.#lag(record.address, error.message);
      return false;
    }
    this.#known.add(unit);
    return true;
  }

  /** Returns the failure, which is noted, when the unit does not keep them. */
  async #keepIn({ unit, record }: ReachableUnit, anchors: Anchors): Promise<Failure | undefined> {
    try {
      await unit.anchors.keep(anchors);
    } catch (error) {
      if (!isFailure(error)) throw error;
      this.#lag(record.address, error.message);
      return error;
    }
    if (this.#lagging.delete(record.address))
      this.#ports.note(`crypto unit ${record.address} keeps anchors again`);
    return undefined;
  }

  #lag(unit: UnitAddress, why: string): void {
    if (!this.#lagging.has(unit))
      this.#ports.alarms.raise("anchor-not-kept", `crypto unit ${unit} keeps no anchors: ${why}`);
    this.#lagging.add(unit);
  }

  /** The units of the group that serves the log's key. */
  #units(): readonly ReachableUnit[] {
    const all = this.#ports.units.inGroup(DEFAULT_GROUP).filter(isReachable);
    for (const unit of this.#lagging)
      if (!all.some(({ record }) => record.address === unit)) this.#lagging.delete(unit);
    return all.filter(({ unit }) => unit.description.abilities.keepsAnchors);
  }

  /** One that does not answer is left out, and looked at before it is written over. */
  async #readUnits(
    unreadable: (unit: UnitAddress, failure: Failure) => Promise<void>,
  ): Promise<readonly (KeptAnchors & { readonly read: CryptoUnit })[]> {
    const kept: (KeptAnchors & { readonly read: CryptoUnit })[] = [];
    for (const { unit, record } of this.#units()) {
      try {
        kept.push({ unit: record.address, anchors: await unit.anchors.read(), read: unit });
      } catch (error) {
        if (!isFailure(error, "unit-file-tampered", "unit-unreachable")) throw error;
        if (error.code === "unit-file-tampered") await unreadable(record.address, error);
      }
    }
    return kept;
  }

  async #olderStore(kept: readonly KeptAnchors[]): Promise<string | undefined> {
    const { store, units } = this.#ports;
    return (
      describeOlder(await store.readMoment({}), kept) ?? (await describeUnseenGeneration(store, units.all()))
    );
  }

  /** Whether the log has not all of these, which is marked then. */
  async #markMissing(claimed: readonly ClaimedHead[]): Promise<boolean> {
    const missing = claimed.length === 0 ? [] : ((await this.#findMissing?.(claimed)) ?? []);
    const last = missing.at(-1);
    if (last) await this.#mark(`found ${describeMissing(last, missing.length - 1)}`);
    return last !== undefined;
  }

  #missed(unit: UnitAddress, { message }: Failure): Promise<void> {
    return this.#mark(`found without what crypto unit ${unit} had seen of it: ${message}`);
  }

  #mark(reason: string): Promise<void> {
    return markRolledBack(this.#ports, reason);
  }
}
