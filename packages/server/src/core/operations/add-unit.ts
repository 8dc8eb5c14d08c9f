import type { Clock } from "../clock.ts";
import { Failure, isFailure } from "../errors.ts";
import type { GroupName, UnitAddress } from "../ids.ts";
import { DEFAULT_TYPE } from "../ids.ts";
import type { RollbackStore } from "../ports/rollback-store.ts";
import type { UnitRecord, UnitStore } from "../ports/store.ts";
import type { ChangeStore } from "../ports/change-store.ts";
import type { TokenAttachment, UnitFolder } from "../ports/unit-folder.ts";
import type { AttachedUnit, AttachedUnits, ReachableUnit } from "../unit/attached-units.ts";
import { readingOf } from "../unit/attached-units.ts";
import type { CryptoUnit } from "../unit/crypto-unit.ts";
import { noteRecords } from "../unit/note-records.ts";
import { holdMasterKey } from "../unit/registers.ts";
import { canClone, cloneMasterKey } from "./clone-master-key.ts";
import { readmitUnit } from "./readmit-unit.ts";
import { refuseUnfitUnit } from "./refuse-unfit-unit.ts";
import type { RemovalPorts } from "./remove-unit.ts";
import { finishRemovalAt } from "./remove-unit.ts";
import { requireNoRollback } from "./require-no-rollback.ts";

/**
 * Creates a software unit or attaches a token, pins it and its group's units to each other, copies the group's master keys
 * into it, and lets it serve. It joins with CURRENT, and with NEW too while a change has one. What was interrupted is
 * repeated by adding the same address again: until it serves, the unit is `joining`.
 * @throws Failure `unit-exists`, `no-serving-unit`, and those of attaching, `refuseUnfitUnit` and cloning.
 */
export async function addUnit(ports: AddUnitPorts, input: NewUnit): Promise<AttachedUnit> {
  return await ports.units.whileMembersStay(() => add(ports, input));
}

interface AddUnitPorts extends RemovalPorts {
  readonly store: UnitStore &
    Pick<RollbackStore, "readRollback"> &
    Pick<ChangeStore, "listFences" | "readFence" | "readChange">;
  readonly clock: Clock;
}

interface NewUnit {
  readonly address: UnitAddress | undefined;
  readonly group: GroupName;
  /** The token that it is; without one it is a software unit, unless a token is reserved for the address. */
  readonly attachment: TokenAttachment | undefined;
  readonly by: string;
}

async function add(ports: AddUnitPorts, input: NewUnit): Promise<AttachedUnit> {
  await requireNoRollback(ports);
  const { units } = ports;
  await noteRecords(ports);
  await units.refreshGroup(input.group);
  if (units.serving(input.group).length === 0) throw new Failure("no-serving-unit");
  if (input.address) await finishRemovalAt(ports, input.address);
  const address = input.address ?? (await nextAddress(ports));
  if (!units.all().some(({ record }) => record.address === address)) await join(ports, address, input);
  const { record } = units.find(address);
  if (record.group !== input.group || record.state !== "joining") throw new Failure("unit-exists");

  const joining = units.reachable(address);
  await pinEachOther(units, joining);
  const source = sourceFor(units, input.group, joining.unit);
  const reading = readingOf(source, DEFAULT_TYPE);
  const clone = { type: DEFAULT_TYPE, from: source.record.address, to: address };
  try {
    await cloneMasterKey(units, { ...clone, register: "CURRENT" });
  } catch (error) {
    if (isFailure(error, "unit-lacks-ability")) await letGo(ports, address, input.by);
    throw error;
  }
  if (reading?.NEW.vp) {
    await cloneMasterKey(units, { ...clone, register: "NEW" });
    if (reading.NEW.state === "full committed") {
      await units.execute(address, { verb: "commit", type: DEFAULT_TYPE, vp: reading.NEW.vp });
    }
  }
  return readmitUnit(ports, { address, by: input.by });
}

/** A unit that cannot get the master keys of its group does not stay: nothing would ever let it serve. */
async function letGo(ports: AddUnitPorts, address: UnitAddress, by: string): Promise<void> {
  const decision = { state: "leaving" as const, reason: "the master keys of its group cannot be copied" };
  await ports.store.setUnitState({ address, from: ["joining"], ...decision, by });
  await finishRemovalAt(ports, address);
}

async function join(
  ports: {
    readonly store: UnitStore;
    readonly folder: UnitFolder;
    readonly units: AttachedUnits;
    readonly clock: Clock;
  },
  address: UnitAddress,
  input: NewUnit,
): Promise<void> {
  const { folder, units } = ports;
  let unit = await folder.create(address, input.group, input.attachment);
  if (holdMasterKey(await unit.registers.read())) {
    // No unit that joins has a master key before it is known: this one was removed, or belongs to a later database.
    // In the place of a file comes a new one; a token is the same again, with its keys.
    await unit.close();
    await folder.setAside(address);
    unit = await folder.create(address, input.group, input.attachment);
  }
  try {
    await refuseUnfitUnit(units, unit, sourceFor(units, input.group, unit));
  } catch (error) {
    await unit.close();
    await folder.setAside(address);
    throw error;
  }
  const record: UnitRecord = {
    address,
    group: input.group,
    adapter: unit.description.adapter,
    state: "joining",
    reason: "the master keys of its group are not copied yet",
    stateBy: input.by,
    publicKey: unit.description.publicKey,
    addedAtMs: ports.clock.nowMs(),
  };
  try {
    await units.attach(await keep(ports.store, record), unit);
  } catch (error) {
    await unit.close();
    throw error;
  }
}

/** Whose master keys the unit gets: those of one that can copy them into it, if there is one. */
function sourceFor(units: AttachedUnits, group: GroupName, unit: CryptoUnit): ReachableUnit {
  const serving = units.serving(group);
  const able = serving.filter((one) => canClone(one.unit, unit));
  const isFree = (one: ReachableUnit) => readingOf(one, DEFAULT_TYPE)?.notClonable === undefined;
  const source = able.find(isFree) ?? able[0] ?? serving[0];
  if (!source) throw new Failure("no-serving-unit");
  return source;
}

/** The record, or that of an earlier attempt whose answer was lost. */
async function keep(store: UnitStore, record: UnitRecord): Promise<UnitRecord> {
  if ((await store.addUnit({ unit: record })) === "added") return record;
  const kept = (await store.listUnits({})).find(({ address }) => address === record.address);
  if (!kept || Buffer.compare(kept.publicKey, record.publicKey) !== 0) throw new Failure("unit-exists");
  return kept;
}

/** The next free address on card 01. */
async function nextAddress(ports: {
  readonly store: UnitStore;
  readonly folder: UnitFolder;
  readonly units: AttachedUnits;
}): Promise<UnitAddress> {
  const taken = new Set<string>([
    ...(await ports.folder.list()),
    ...ports.folder.reserved(),
    ...(await ports.store.listUnits({})).map(({ address }) => address),
    ...ports.units.all().map(({ record }) => record.address),
  ]);
  for (let domain = 1; domain <= 0xffff; domain += 1) {
    const address = `01.${domain.toString(16).padStart(4, "0")}`;
    if (!taken.has(address)) return address as UnitAddress;
  }
  throw new Failure("unit-exists", "every address of card 01 is taken");
}

async function pinEachOther(units: AttachedUnits, joining: ReachableUnit): Promise<void> {
  const peers = units
    .inGroup(joining.record.group)
    .filter(({ record }) => record.address !== joining.record.address);
  for (const peer of peers) {
    if (!peer.unit || !canClone(peer.unit, joining.unit)) continue;
    await joining.unit.registers.pinPeer(peer.unit.description);
    await peer.unit.registers.pinPeer(joining.unit.description);
  }
}
