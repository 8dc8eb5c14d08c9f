import { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { uuid } from "../crypto/random.ts";
import { Failure } from "../errors.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE, FIRST_UNIT } from "../ids.ts";
import type { KeyId, Vp } from "../ids.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { KeyVersionRecord } from "../hierarchy/records.ts";
import {
  RESERVED_PROJECT_ID,
  RESERVED_PROJECT_NAME,
  ROW_MAC_KEY_NAME,
} from "../hierarchy/reserved-project.ts";
import type { Alarms } from "../ports/alarms.ts";
import type { Store } from "../ports/store.ts";
import type { UnitFolder } from "../ports/unit-folder.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";
import type { CryptoUnit } from "../unit/crypto-unit.ts";
import { holdMasterKey } from "../unit/registers.ts";
import { createProject } from "./create-project.ts";

/**
 * The first unit with its first master key, and the fence that names it. Every step looks first whether it was done,
 * so that an interrupted first start goes on; the caller makes sure that it is one. The unit is the token that is reserved
 * for its address, if there is one.
 * @returns the pattern of the master key.
 * @throws Failure `store-missing` for a token that holds a master key already: it belongs to a database that is not here.
 */
export async function initialiseMasterKey(ports: {
  readonly store: Store;
  readonly folder: UnitFolder;
  readonly units: AttachedUnits;
  readonly clock: Clock;
}): Promise<Vp> {
  const isResumed = (await ports.folder.list()).includes(FIRST_UNIT);
  const unit = await ports.folder.create(FIRST_UNIT, DEFAULT_GROUP);
  if (!isResumed && holdMasterKey(await unit.registers.read())) {
    await unit.close();
    await ports.folder.setAside(FIRST_UNIT);
    throw new Failure(
      "store-missing",
      `the token of unit ${FIRST_UNIT} holds a master key, but there is no database`,
    );
  }
  const record = {
    address: FIRST_UNIT,
    group: DEFAULT_GROUP,
    adapter: unit.description.adapter,
    state: "serving" as const,
    reason: undefined,
    stateBy: "claviger",
    publicKey: unit.description.publicKey,
    addedAtMs: ports.clock.nowMs(),
  };
  const vp = await firstMasterKey(unit);
  await ports.store.createFence({
    group: DEFAULT_GROUP,
    type: DEFAULT_TYPE,
    currentVp: vp,
    atMs: record.addedAtMs,
  });
  await ports.store.addUnit({ unit: record });
  await ports.units.attach(record, unit);
  return vp;
}

async function firstMasterKey(unit: CryptoUnit): Promise<Vp> {
  const type = DEFAULT_TYPE;
  let reading = (await unit.registers.read()).find((registers) => registers.type === type);
  if (reading?.CURRENT.vp) return reading.CURRENT.vp;
  if (reading?.NEW.state === "empty") reading = await unit.registers.execute({ verb: "generate", type });
  const vp = reading?.NEW.vp;
  if (!vp)
    throw new Failure("unit-lacks-ability", `unit ${unit.description.address} has no ${type} master key`);
  if (reading?.NEW.state === "full uncommitted") await unit.registers.execute({ verb: "commit", type, vp });
  await unit.registers.execute({ verb: "set-immediate", type, vp });
  return vp;
}

interface RowMacPorts {
  readonly store: Store;
  readonly units: AttachedUnits;
  readonly materials: OpenedMaterials;
  readonly alarms: Alarms;
  readonly clock: Clock;
}

/** Creates the reserved project with the key of the row MACs, where they are not there yet. Only at a first start. */
export async function initialiseReservedProject(ports: RowMacPorts): Promise<void> {
  const { store, materials, alarms, clock } = ports;
  const project =
    (await store.findProject({ ref: RESERVED_PROJECT_ID })) ??
    (await createProject(ports, { name: RESERVED_PROJECT_NAME, id: RESERVED_PROJECT_ID }));
  if (await store.findKey({ projectId: project.id, ref: ROW_MAC_KEY_NAME })) return;
  const createdAtMs = clock.nowMs();
  const id = uuid() as KeyId;
  const unvouched: KeyVersionRecord = {
    keyId: id,
    projectId: project.id,
    version: 1,
    kekId: project.kekId,
    wrapped: await materials.withKek({ kekId: project.kekId, projectId: project.id }, ({ unit, handle }) =>
      unit.materials.generate(handle),
    ),
    publicKey: undefined,
    createdAtMs,
    mac: new Uint8Array(),
  };
  const vouchedRows = new VouchedRows({ materials, alarms, macKey: unvouched });
  const { mac: _none, ...members } = unvouched;
  const version = await vouchedRows.vouchForVersion(members);
  const key = await vouchedRows.vouchForKey({
    id,
    projectId: project.id,
    name: ROW_MAC_KEY_NAME,
    spec: "AES_256",
    usage: "ENCRYPT_DECRYPT",
    origin: "generated",
    state: "enabled",
    currentVersion: 1,
    createdAtMs,
    deletionDueMs: undefined,
    destroyedAtMs: undefined,
    revision: 1,
  });
  await store.createKey({ key, version });
}

/**
 * The service's way to vouch for rows. The key of the row MACs vouches for its own row too.
 * @throws Failure `store-damaged` when the reserved project or its key is not there, `record-not-vouched`.
 */
export async function openVouchedRows(ports: Omit<RowMacPorts, "units" | "clock">): Promise<VouchedRows> {
  const key = await ports.store.findKey({ projectId: RESERVED_PROJECT_ID, ref: ROW_MAC_KEY_NAME });
  const macKey = key && (await ports.store.readKeyVersion({ keyId: key.id, version: key.currentVersion }));
  if (!macKey) throw new Failure("store-damaged", "the reserved project has no key for row MACs");
  const vouchedRows = new VouchedRows({ ...ports, macKey });
  await vouchedRows.checkVersion(macKey);
  await vouchedRows.checkKey(key);
  return vouchedRows;
}
