import { readFile, writeFile } from "node:fs/promises";
import { isFailure } from "../../packages/server/src/core/errors.ts";
import type { UnitAddress } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../../packages/server/src/core/ids.ts";
import type { Change } from "../../packages/server/src/core/master-key-change/change.ts";
import { activateChange } from "../../packages/server/src/core/operations/activate-change.ts";
import { addUnit } from "../../packages/server/src/core/operations/add-unit.ts";
import { approveChange } from "../../packages/server/src/core/operations/approve-change.ts";
import { cancelChange } from "../../packages/server/src/core/operations/cancel-change.ts";
import { createChange } from "../../packages/server/src/core/operations/create-change.ts";
import { createKey } from "../../packages/server/src/core/operations/create-key.ts";
import { createProject } from "../../packages/server/src/core/operations/create-project.ts";
import { encrypt } from "../../packages/server/src/core/operations/encrypt.ts";
import { finalizeChange } from "../../packages/server/src/core/operations/finalize-change.ts";
import {
  clearNewMasterKey,
  commitMasterKey,
  copyMasterKey,
  generateMasterKey,
} from "../../packages/server/src/core/operations/master-key-commands.ts";
import { purgeChange } from "../../packages/server/src/core/operations/purge-change.ts";
import { quarantineUnit } from "../../packages/server/src/core/operations/quarantine-unit.ts";
import { readmitUnit } from "../../packages/server/src/core/operations/readmit-unit.ts";
import {
  pauseChange,
  reencipherChange,
  resumeChange,
} from "../../packages/server/src/core/operations/reencipher-change.ts";
import { removeUnit } from "../../packages/server/src/core/operations/remove-unit.ts";
import { restoreChange } from "../../packages/server/src/core/operations/restore-change.ts";
import { rotateKey } from "../../packages/server/src/core/operations/rotate-key.ts";
import type { RegisterReading } from "../../packages/server/src/core/unit/registers.ts";
import { watchUnits } from "../../packages/server/src/core/unit/watch-units.ts";
import type { Book } from "./book.ts";
import { ANCHOR } from "./book.ts";
import { allChanges, openChangeOf, request } from "./invariants.ts";
import type { World } from "./world.ts";

/** What operators, applications, custodians and misfortune do, one thing each. `pick` is any number. */
export type Verb = (world: World, book: Book, pick: number) => Promise<unknown>;

const SCOPE = { group: DEFAULT_GROUP, type: DEFAULT_TYPE };
/** Failures that no operator can cause by what he does when. */
const NEVER = ["internal", "store-damaged", "store-failed", "store-busy", "invalid-request"] as const;
/** After so many rounds that did something, and none between them that had nothing to do, the runner spins. */
const SPINNING = 200;

/** Runs a verb; a refusal is an answer, anything else is not. */
export async function attempt(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isFailure(error) || isFailure(error, ...NEVER)) throw error;
  }
}

function pickOf<Item>(items: readonly Item[], pick: number): Item | undefined {
  return items[pick % Math.max(1, items.length)];
}

/** Mostly the newest change, sometimes an older one. */
async function someChange(world: World, pick: number): Promise<Change | undefined> {
  const changes = await allChanges(world);
  return pick % 4 === 3 ? pickOf(changes, pick >> 2) : changes[0];
}

function onChange(
  verb: (
    ports: World["ports"],
    input: { change: Change["id"]; by: string },
    change: Change,
  ) => Promise<unknown>,
): Verb {
  return async (world, _, pick) => {
    const change = await someChange(world, pick);
    if (change) await verb(world.ports, { change: change.id, by: pick % 2 ? "alice" : "bob" }, change);
  };
}

const onUnit =
  (verb: (world: World, address: UnitAddress, by: string, book: Book) => Promise<unknown>): Verb =>
  async (world, book, pick) => {
    const unit = pickOf(world.ports.units.all(), pick);
    if (unit) await verb(world, unit.record.address, pick % 2 ? "alice" : "bob", book);
  };

/** One round of the runner. Returns whether there may be more to do at once. */
export async function round(world: World): Promise<boolean> {
  const { ports } = world;
  const { items } = await ports.store.listChanges({ limit: 100, after: undefined, openOnly: true });
  await watchUnits(world.watch);
  let worked = false;
  for (const change of items) {
    try {
      worked = (await world.runner.carryOn(change)) || worked;
    } catch (error) {
      if (!isFailure(error) || isFailure(error, ...NEVER)) throw error;
      worked = worked || isFailure(error, "change-state", "change-not-ready");
    }
  }
  return worked;
}

export async function rounds(world: World, count: number): Promise<void> {
  for (let done = 0; done < count; done++) {
    if (!(await round(world))) world.clock.advance(1_000);
  }
}

/** Rounds until nothing is left to do, for longer than rows that failed have to wait for their turn. */
export async function settle(world: World): Promise<void> {
  let busy = 0;
  for (let idle = 0; idle < 4;) {
    if (await round(world)) {
      busy += 1;
      if (busy > SPINNING) throw new Error("the runner spins");
      continue;
    }
    busy = 0;
    world.clock.advance(idle % 2 === 0 ? 11_000 : 400_000);
    idle += 1;
  }
}

async function newKeyEverywhere(world: World): Promise<void> {
  const { ports } = world;
  const units = await ports.units.refreshGroup(DEFAULT_GROUP);
  const holder = units.flatMap(({ readings }) => readings?.[0]?.NEW.vp ?? [])[0];
  if (!holder) await generateMasterKey(ports, { ...SCOPE, unit: undefined });
  await copyMasterKey(ports, { ...SCOPE, register: "NEW", from: undefined, to: undefined });
  const [vp] = ports.units.all().flatMap(({ readings }) => readings?.[0]?.NEW.vp ?? []);
  if (vp) await commitMasterKey(ports, { ...SCOPE, vp, unit: undefined });
}

/** What brings the newest change on from where it is: the way that operators mostly go. */
const push: Verb = async (world, _, pick) => {
  const { ports } = world;
  const change = (await allChanges(world))[0];
  const state = change?.state;
  const by = "alice";
  if (!change || state === "PURGED" || state === "CANCELED" || (state === "DONE" && pick % 3 > 0)) {
    await VERBS.create(world);
    return newKeyEverywhere(world);
  }
  const input = { change: change.id, by };
  switch (state) {
    case "PLANNED":
      await newKeyEverywhere(world);
      return reencipherChange(ports, input);
    case "STAGED":
      return reencipherChange(ports, input);
    case "READY":
      return activateChange(ports, { ...input, vp: change.to ?? "", override: false });
    case "ACTIVATED":
      await settle(world);
      return finalizeChange(ports, input);
    case "DONE":
      await purgeChange(ports, input);
      return approveChange(ports, { ...input, by: "bob" });
    default:
      return rounds(world, 6);
  }
};

async function at(world: World, address: UnitAddress): Promise<RegisterReading | undefined> {
  return (await world.console(address).registers.read()).find(({ type }) => type === DEFAULT_TYPE);
}

export const VERBS = {
  project: async (world, book) => {
    const name = book.name("project");
    const fence = await world.ports.store.readFence(SCOPE);
    const made = await attemptProject(world, book, name, fence?.mustWrap ?? []);
    if (made) book.projects.push(made);
  },
  key: async (world, book, pick) => {
    const project = pickOf(book.projects, pick);
    if (!project) return;
    const name = book.name("key");
    const key = await request(world, book, project.id, () => createKey(world.ports, { project, name }));
    if (key) book.keys.push({ project, key });
  },
  encrypt: async (world, book, pick) => {
    const entry = pickOf(book.keys, pick);
    if (!entry) return;
    const plaintext = book.name("payload");
    const bytes = Buffer.from(plaintext);
    const ciphertext = await request(world, book, entry.project.id, async () => {
      const key = await world.ports.keys.key(entry.project.id, entry.key.id);
      return encrypt(world.ports, { key, plaintext: bytes, context: {} });
    });
    if (ciphertext) book.payloads.push({ ...entry, plaintext, ciphertext });
  },
  rotate: async (world, book, pick) => {
    const entry = pickOf(book.keys, pick);
    if (!entry) return;
    const { project } = entry;
    await request(world, book, project.id, async () => {
      const key = await world.ports.keys.key(project.id, entry.key.id);
      await attempt(() => rotateKey(world.ports, { project, key }));
    });
  },

  generate: (world) => generateMasterKey(world.ports, { ...SCOPE, unit: undefined }),
  copy: (world) => copyMasterKey(world.ports, { ...SCOPE, register: "NEW", from: undefined, to: undefined }),
  copyOld: (world) =>
    copyMasterKey(world.ports, { ...SCOPE, register: "OLD", from: undefined, to: undefined }),
  commit: async (world, _, pick) => {
    const vps = world.ports.units.all().flatMap(({ readings }) => readings?.[0]?.NEW.vp ?? []);
    const vp = pickOf(vps, pick);
    if (vp) await commitMasterKey(world.ports, { ...SCOPE, vp, unit: undefined });
  },
  clearNew: async (world, _, pick) => {
    const vps = world.ports.units.all().flatMap(({ readings }) => readings?.[0]?.NEW.vp ?? []);
    const vp = pickOf(vps, pick);
    if (vp) await clearNewMasterKey(world.ports, { ...SCOPE, vp, unit: undefined });
  },
  newKeyEverywhere,

  create: (world) =>
    createChange(world.ports, {
      ...SCOPE,
      expectedVp: undefined,
      freeze: "none",
      rowsPerSecond: undefined,
      restores: undefined,
      by: "alice",
    }),
  reencipher: onChange((ports, input) => reencipherChange(ports, input)),
  pause: onChange((ports, input) => pauseChange(ports, input)),
  resume: onChange((ports, input) => resumeChange(ports, input)),
  activate: onChange((ports, input, { to }) =>
    activateChange(ports, { ...input, vp: to ?? "", override: false }),
  ),
  activateInSpite: onChange((ports, input, { to }) =>
    activateChange(ports, { ...input, vp: to ?? "", override: true }),
  ),
  finalize: onChange((ports, input) => finalizeChange(ports, input)),
  cancel: onChange((ports, input) => cancelChange(ports, input)),
  restore: onChange((ports, input) => restoreChange(ports, input)),
  purge: onChange((ports, input) => purgeChange(ports, input)),
  approve: onChange((ports, input) => approveChange(ports, input)),
  push,

  round: (world) => rounds(world, 1),
  rounds: (world) => rounds(world, 8),
  settle,
  /** Not while the row of the reserved project is damaged: the service refuses to start without its row MACs. */
  restart: async (world, book) => {
    if (book.poisons.some(({ n }) => n === 1)) book.heal();
    try {
      await world.restart();
    } catch (error) {
      throw new Error("the service does not start again", { cause: error });
    }
  },

  add: async (world) => {
    if (world.ports.units.all().length < 5)
      await addUnit(world.ports, {
        address: undefined,
        group: DEFAULT_GROUP,
        attachment: undefined,
        by: "alice",
      });
  },
  remove: onUnit(async (world, address, by, book) => {
    if (mayGo(book, address)) await removeUnit(world.ports, { address, by });
  }),
  quarantine: onUnit(async (world, address, by, book) => {
    if (mayGo(book, address)) await quarantineUnit(world.ports, { address, reason: "test", by });
  }),
  readmit: onUnit((world, address, by) => readmitUnit(world.ports, { address, by })),

  lose: onUnit(async (world, address) => void world.lost.add(address)),
  find: async (world) => world.lost.clear(),
  poison: async (_, book, pick) => book.poison(pick, pick >> 3),
  heal: async (_, book) => book.heal(),

  /** Somebody activates at the unit's console: the target of the open change on any unit, anything on the others. */
  activateElsewhere: async (world, book, pick) => {
    const address = pickOf(world.ports.units.all(), pick)?.record.address ?? ANCHOR;
    const held = await at(world, address);
    const change = await openChangeOf(world);
    const isTarget = change?.to !== undefined && held?.NEW.vp === change.to && change.state !== "CANCELING";
    if (!isTarget && (address === ANCHOR || tamperable(world, 0) === undefined)) return;
    if (held?.NEW.state !== "full committed" || !held.NEW.vp) return;
    book.faulty = true;
    if (address !== ANCHOR) book.tampered.add(address);
    const { vp } = held.NEW;
    await world.console(address).registers.execute({ verb: "activate", type: DEFAULT_TYPE, vp });
  },
  foreignKey: async (world, book, pick) => {
    const address = tamperable(world, pick);
    if (!address) return;
    book.faulty = true;
    book.tampered.add(address);
    const { registers } = world.console(address);
    const old = (await at(world, address))?.NEW.vp;
    if (old) await registers.execute({ verb: "clear", register: "NEW", type: DEFAULT_TYPE, vp: old });
    const vp = (await registers.execute({ verb: "generate", type: DEFAULT_TYPE })).NEW.vp ?? "";
    await registers.execute({ verb: "commit", type: DEFAULT_TYPE, vp });
    if (pick & 8) await registers.execute({ verb: "activate", type: DEFAULT_TYPE, vp });
  },
  clearElsewhere: async (world, book, pick) => {
    const address = pickOf(world.ports.units.all(), pick)?.record.address ?? ANCHOR;
    const vp = (await at(world, address))?.NEW.vp;
    if (!vp) return;
    book.faulty = true;
    await world
      .console(address)
      .registers.execute({ verb: "clear", register: "NEW", type: DEFAULT_TYPE, vp });
  },
  olderFile: async (world, book, pick) => {
    const address = tamperable(world, pick);
    if (!address) return;
    const older = book.olderFiles.get(address);
    if (older) {
      book.faulty = true;
      book.tampered.add(address);
      await writeFile(world.unitPath(address), older);
      book.olderFiles.delete(address);
    } else book.olderFiles.set(address, await readFile(world.unitPath(address)));
  },
} as const satisfies Record<string, Verb>;

export type VerbName = keyof typeof VERBS;

/** Nobody takes out the untouched unit when others were tampered with. */
function mayGo(book: Book, address: UnitAddress): boolean {
  return address !== ANCHOR || book.tampered.size === 0;
}

/** Nobody tampers unless the untouched unit serves. */
function tamperable(world: World, pick: number): UnitAddress | undefined {
  const anchor = world.ports.units.all().find(({ record }) => record.address === ANCHOR);
  if (anchor?.record.state !== "serving") return undefined;
  const units = world.ports.units.all().filter(({ record }) => record.address !== ANCHOR);
  return pickOf(units, pick)?.record.address;
}

async function attemptProject(world: World, book: Book, name: string, mustWrap: readonly string[]) {
  const { units } = world.ports;
  try {
    return await createProject(world.ports, { name });
  } catch (error) {
    if (!isFailure(error) || !book.faulty) throw error;
    const able = [];
    for (const { record } of units.inGroup(DEFAULT_GROUP)) {
      if (record.state !== "serving" || world.lost.has(record.address)) continue;
      const held = await at(world, record.address);
      const fresh = held?.NEW.state === "full committed" ? held.NEW.vp : undefined;
      const vps: readonly (string | undefined)[] = [fresh, held?.CURRENT.vp, held?.OLD.vp];
      if (mustWrap.every((vp) => vps.includes(vp))) able.push(record.address);
    }
    if (able.length === 0) return undefined;
    return createProject(world.ports, { name });
  }
}
