import { cp, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { VouchedRows } from "../../packages/server/src/core/access/vouched-rows.ts";
import type { Clock } from "../../packages/server/src/core/clock.ts";
import { Failure } from "../../packages/server/src/core/errors.ts";
import { Revocations } from "../../packages/server/src/core/access/revocations.ts";
import { SignIns } from "../../packages/server/src/core/access/sign-ins.ts";
import { KeyDirectory } from "../../packages/server/src/core/hierarchy/key-directory.ts";
import { OpenedMaterials } from "../../packages/server/src/core/hierarchy/opened-materials.ts";
import type { UnitAddress } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP } from "../../packages/server/src/core/ids.ts";
import { ChangeRunner } from "../../packages/server/src/core/master-key-change/runner.ts";
import { addUnit } from "../../packages/server/src/core/operations/add-unit.ts";
import {
  initialiseMasterKey,
  initialiseReservedProject,
  openVouchedRows,
} from "../../packages/server/src/core/operations/initialise.ts";
import { finishRemovals } from "../../packages/server/src/core/operations/remove-unit.ts";
import type { ServicePorts } from "../../packages/server/src/core/operations/service-ports.ts";
import { settledStore } from "../../packages/server/src/core/ports/settled-store.ts";
import type { Store } from "../../packages/server/src/core/ports/store.ts";
import type { UnitFolder } from "../../packages/server/src/core/ports/unit-folder.ts";
import { secretToBase64 } from "../../packages/server/src/core/secret/to-base64.ts";
import { AttachedUnits } from "../../packages/server/src/core/unit/attached-units.ts";
import type { CryptoUnit } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { WatchPorts } from "../../packages/server/src/core/unit/watch-units.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite-store.ts";
import {
  createSoftwareUnit,
  openSoftwareUnit,
} from "../../packages/server/src/units/software/software-unit.ts";
import { SCRATCH } from "./scratch.ts";
import { CHEAP_KDF, pinOf, TEST_PIN } from "../contracts/software-units.ts";

const STORE_FILE = "claviger.db";

/** A clock that stands until it is moved. Nobody sleeps by it: rounds of the runner are driven one by one. */
export class ManualClock implements Clock {
  #nowMs = 1_000_000;
  nowMs(): number {
    return this.#nowMs;
  }
  advance(ms: number): void {
    this.#nowMs += ms;
  }
  sleep(): Promise<void> {
    return Promise.resolve();
  }
}

/** What tests put around the real ports. */
export interface Around {
  readonly store?: (store: Store) => Store;
  readonly unit?: (unit: CryptoUnit) => CryptoUnit;
}

/**
 * The service without its front ends, on files of its own: real store (SQLite in this thread), real software units,
 * real domain. `restart` throws everything in memory away and opens the files again.
 */
export class World {
  readonly folder: string;
  readonly clock = new ManualClock();
  readonly alarms: string[] = [];
  /** Units that give no answer, whatever they are asked. */
  readonly lost = new Set<UnitAddress>();
  readonly #around: Around;
  readonly #opened = new Map<UnitAddress, CryptoUnit>();
  #ports: ServicePorts | undefined;
  #runner: ChangeRunner | undefined;
  #watch: WatchPorts | undefined;

  constructor(folder: string, around: Around) {
    this.folder = folder;
    this.#around = around;
  }

  get ports(): ServicePorts {
    if (!this.#ports) throw new Error("the world is not open");
    return this.#ports;
  }

  get runner(): ChangeRunner {
    if (!this.#runner) throw new Error("the world is not open");
    return this.#runner;
  }

  get watch(): WatchPorts {
    if (!this.#watch) throw new Error("the world is not open");
    return this.#watch;
  }

  get storePath(): string {
    return join(this.folder, STORE_FILE);
  }

  unitPath(address: UnitAddress): string {
    return join(this.folder, `${address}.unit`);
  }

  /** The unit itself, past whatever tests put around it: as somebody at its console uses it. */
  console(address: UnitAddress): CryptoUnit {
    const unit = this.#opened.get(address);
    if (!unit) throw new Error(`unit ${address} is not open`);
    return unit;
  }

  async open(): Promise<void> {
    const { clock } = this;
    const sqlite = openSqliteStore({ path: this.storePath, threads: "none" });
    const store = settledStore(this.#around.store?.(sqlite) ?? sqlite);
    const units = new AttachedUnits();
    const alarms = { raise: (what: string, detail: string) => void this.alarms.push(`${what}: ${detail}`) };
    const materials = new OpenedMaterials({ units, store, alarms });
    const folder = this.#unitFolder();
    const base = { store, units, materials, alarms, clock, folder };
    for (const record of await store.listUnits({}))
      if (record.state !== "leaving") await units.attach(record, await folder.open(record.address));
    await finishRemovals(base);
    const first = (await store.listFences({})).length === 0;
    if (first) {
      await initialiseMasterKey(base);
      await initialiseReservedProject(base);
    }
    const vouchedRows = await this.#vouchedRows(base);
    const runner = new ChangeRunner({ ...base, vouchedRows, pace: { afterBatch: () => Promise.resolve() } });
    this.#runner = runner;
    this.#watch = base;
    const keys = new KeyDirectory({ store, vouchedRows });
    this.#ports = {
      ...base,
      vouchedRows,
      runner,
      keys,
      revocations: new Revocations({ store, clock }, [() => keys.forgetKeys()]),
      expectedVps: new Map(),
      toBase64: secretToBase64,
      version: "test",
      signIns: new SignIns(clock),
      signInWith: undefined,
      signInFailed: () => undefined,
    };
  }

  /** While no unit answers the daemon does not start; the model looks at what happens when it does. */
  async #vouchedRows(base: Parameters<typeof openVouchedRows>[0]): Promise<VouchedRows> {
    const lost = [...this.lost];
    this.lost.clear();
    try {
      return await openVouchedRows(base);
    } finally {
      for (const address of lost) this.lost.add(address);
    }
  }

  async close(): Promise<void> {
    const { units, store } = this.ports;
    await units.close();
    await store.close();
    this.#opened.clear();
    this.#ports = undefined;
    this.#runner = undefined;
  }

  async restart(): Promise<void> {
    await this.close();
    await this.open();
    await this.ports.store.dropLeases({});
  }

  async dispose(): Promise<void> {
    if (this.#ports) await this.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  #unitFolder(): UnitFolder {
    const open = async (address: UnitAddress): Promise<CryptoUnit> => {
      const unit = await openSoftwareUnit({
        path: this.unitPath(address),
        pin: pinOf(TEST_PIN),
        thread: "inline",
      });
      this.#opened.set(address, unit);
      const losable = guarded(unit, () => {
        if (this.lost.has(address)) throw new Failure("unit-unreachable", `unit ${address} is lost`);
      });
      return this.#around.unit?.(losable) ?? losable;
    };
    return {
      open,
      create: async (address) => {
        if (!existsSync(this.unitPath(address)))
          await writeFile(this.unitPath(address), await blankUnit(address));
        return open(address);
      },
      list: () => Promise.resolve([...this.#opened.keys()]),
      reserved: () => [],
      setAside: async (address) => {
        const path = this.unitPath(address);
        if (existsSync(path)) await rename(path, `${path}.removed`);
        this.#opened.delete(address); // the address is free only now
      },
    };
  }
}

/** `unit` with `before` run in front of every call. */
export function guarded(unit: CryptoUnit, before: (call: string) => unknown): CryptoUnit {
  const face = <Face extends object>(real: Face, name: string): Face =>
    new Proxy(real, {
      get(target, property) {
        const value: unknown = Reflect.get(target, property, target);
        if (typeof value !== "function") return value;
        return async (...args: unknown[]) => {
          await before(`${name}.${String(property)}`);
          return Reflect.apply(value, target, args) as unknown;
        };
      },
    });
  return {
    description: unit.description,
    registers: face(unit.registers, "registers"),
    keks: face(unit.keks, "keks"),
    materials: face(unit.materials, "materials"),
    signing: face(unit.signing, "signing"),
    anchors: face(unit.anchors, "anchors"),
    close: () => unit.close(),
  };
}

/** Empty units, made once in a process, because an RSA key takes its time. */
const blanks = new Map<UnitAddress, Promise<Uint8Array>>();

function blankUnit(address: UnitAddress): Promise<Uint8Array> {
  const blank = blanks.get(address) ?? makeBlank(address);
  blanks.set(address, blank);
  return blank;
}

async function makeBlank(address: UnitAddress): Promise<Uint8Array> {
  const folder = await mkdtemp(join(SCRATCH, "claviger-blank-"));
  const path = join(folder, "unit");
  const identity = { address, group: DEFAULT_GROUP, kdf: CHEAP_KDF };
  const unit = await createSoftwareUnit({ path, pin: pinOf(TEST_PIN), ...identity });
  await unit.close();
  const file = await readFile(path);
  await rm(folder, { recursive: true });
  return file;
}

let template: Promise<string> | undefined;

/** A started service with three units and the reserved project, as files; made once in a process. */
async function makeTemplate(): Promise<string> {
  const folder = await mkdtemp(join(SCRATCH, "claviger-template-"));
  const world = new World(folder, {});
  await world.open();
  for (let added = 0; added < 2; added++)
    await addUnit(world.ports, {
      address: undefined,
      group: DEFAULT_GROUP,
      attachment: undefined,
      by: "alice",
    });
  await world.close();
  return folder;
}

/** A world of its own with units 01.0001, 01.0002 and 01.0003, or as the files of another one that is closed. */
export async function newWorld(around: Around = {}, from?: string): Promise<World> {
  template ??= makeTemplate();
  const folder = await mkdtemp(join(SCRATCH, "claviger-world-"));
  await cp(from ?? (await template), folder, { recursive: true });
  const world = new World(folder, around);
  await world.open();
  return world;
}

export async function removeTemplate(): Promise<void> {
  if (template) await rm(await template, { recursive: true });
  template = undefined;
}
