import { Failure, isFailure } from "../errors.ts";
import type { GroupName, MasterKeyType, UnitAddress } from "../ids.ts";
import type { UnitRecord } from "../ports/store.ts";
import { SerialQueue } from "../serial-queue.ts";
import type { CryptoUnit } from "./crypto-unit.ts";
import type { RegisterCommand, RegisterReading } from "./registers.ts";

/** A unit of the database as this process sees it. */
export interface AttachedUnit {
  readonly record: UnitRecord;
  /** Undefined while the unit could not be opened. */
  readonly unit: CryptoUnit | undefined;
  /** As they were last read; undefined when the unit did not answer. */
  readonly readings: readonly RegisterReading[] | undefined;
  /** Why a unit that answered has told no registers. */
  readonly refused?: Failure | undefined;
}

/** A unit that answered when it was last asked. */
export interface ReachableUnit extends AttachedUnit {
  readonly unit: CryptoUnit;
  readonly readings: readonly RegisterReading[];
}

/** The crypto units of all groups: who they are, whether they serve, and what their registers held when last read. */
export class AttachedUnits {
  readonly #reopen = new Map<UnitAddress, () => Promise<CryptoUnit>>();
  readonly #units = new Map<UnitAddress, AttachedUnit>();
  readonly #membership = new SerialQueue();
  #turn = 0;

  /** Runs `work` while no other work of this kind adds or removes units: a file must not be set aside under a new unit. */
  whileMembersStay<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#membership.run(work);
  }

  /** Takes a unit over, to be closed with the others. */
  async attach(record: UnitRecord, unit: CryptoUnit): Promise<AttachedUnit> {
    this.#units.set(record.address, { record, unit, readings: undefined });
    return this.refresh(record.address);
  }

  /** Notes a unit that could not be opened; `reopen` is tried whenever its registers are to be read. */
  attachLater(record: UnitRecord, reopen: () => Promise<CryptoUnit>): void {
    this.#units.set(record.address, { record, unit: undefined, readings: undefined });
    this.#reopen.set(record.address, reopen);
  }

  async detach(address: UnitAddress): Promise<void> {
    const attached = this.find(address);
    this.#units.delete(address);
    this.#reopen.delete(address);
    await attached.unit?.close();
  }

  /** Notes the standing that the database has now. */
  noteRecord(record: UnitRecord): void {
    this.#units.set(record.address, { ...this.find(record.address), record });
  }

  /** @throws Failure `unit-not-found`. */
  find(address: UnitAddress): AttachedUnit {
    const attached = this.#units.get(address);
    if (!attached) throw new Failure("unit-not-found", `there is no crypto unit ${address}`);
    return attached;
  }

  /** @throws Failure `unit-not-found`, `unit-unreachable`. */
  reachable(address: UnitAddress): ReachableUnit {
    const attached = this.find(address);
    if (!isReachable(attached))
      throw new Failure("unit-unreachable", `crypto unit ${address} does not answer`);
    return attached;
  }

  all(): readonly AttachedUnit[] {
    return [...this.#units.values()].toSorted((a, b) => (a.record.address < b.record.address ? -1 : 1));
  }

  inGroup(group: GroupName): readonly AttachedUnit[] {
    return this.all().filter((attached) => attached.record.group === group);
  }

  /** Units that serve and answer, beginning with another one at each call so that work spreads. */
  serving(group: GroupName): readonly ReachableUnit[] {
    const serving = this.inGroup(group).filter((attached) => attached.record.state === "serving");
    const reachable = serving.filter(isReachable);
    if (reachable.length < 2) return reachable;
    this.#turn = (this.#turn + 1) % reachable.length;
    return [...reachable.slice(this.#turn), ...reachable.slice(0, this.#turn)];
  }

  /** Reads the registers of a unit again. A unit that does not answer is noted as such; this does not throw for it. */
  async refresh(address: UnitAddress): Promise<AttachedUnit> {
    const unit = this.find(address).unit ?? (await this.#tryToOpen(address));
    const read = unit && (await readOrRefused(unit));
    const now = this.find(address);
    const refreshed: AttachedUnit = {
      record: now.record,
      unit,
      readings: read?.readings,
      refused: read?.refused,
    };
    this.#units.set(address, refreshed);
    return refreshed;
  }

  async #tryToOpen(address: UnitAddress): Promise<CryptoUnit | undefined> {
    const reopen = this.#reopen.get(address);
    if (!reopen) return undefined;
    this.#reopen.delete(address); // no second one tries meanwhile
    try {
      return await reopen();
    } catch (error) {
      if (!isFailure(error)) throw error;
      this.#reopen.set(address, reopen);
      return undefined;
    }
  }

  async refreshGroup(group: GroupName): Promise<readonly AttachedUnit[]> {
    await Promise.all(this.inGroup(group).map((attached) => this.refresh(attached.record.address)));
    return this.inGroup(group);
  }

  /** Does a register command and reads the registers afterwards, whether it succeeded or not. */
  async execute(address: UnitAddress, command: RegisterCommand): Promise<RegisterReading> {
    const { unit } = this.reachable(address);
    try {
      return await unit.registers.execute(command);
    } finally {
      await this.refresh(address);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.all().map(async ({ unit }) => unit?.close()));
    this.#units.clear();
  }
}

export function isReachable(attached: AttachedUnit): attached is ReachableUnit {
  return attached.unit !== undefined && attached.readings !== undefined;
}

/** The reading of one master key type; undefined when the unit does not answer or has no such type. */
export function readingOf(attached: AttachedUnit, type: MasterKeyType): RegisterReading | undefined {
  return attached.readings?.find((reading) => reading.type === type);
}

async function readOrRefused(unit: CryptoUnit): Promise<Pick<AttachedUnit, "readings" | "refused">> {
  try {
    return { readings: await unit.registers.read() };
  } catch (error) {
    if (isFailure(error, "unit-unreachable")) return { readings: undefined };
    if (isFailure(error, "unit-file-tampered", "unit-token-damaged", "unit-pin-wrong"))
      return { readings: undefined, refused: error };
    throw error;
  }
}
