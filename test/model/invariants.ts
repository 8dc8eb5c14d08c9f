import { expect } from "vitest";
import { isFailure } from "../../packages/server/src/core/errors.ts";
import type { UnitAddress } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../../packages/server/src/core/ids.ts";
import type { Change } from "../../packages/server/src/core/master-key-change/change.ts";
import { decrypt } from "../../packages/server/src/core/operations/decrypt.ts";
import { reveal } from "../../packages/server/src/core/secret/secret-bytes.ts";
import type { Book, Payload, RawRow } from "./book.ts";
import { ANCHOR, opensOn } from "./book.ts";
import { mustWrapIn, WAYS, wrongForms } from "./state-rules.ts";
import type { World } from "./world.ts";

/** The invariants of a master-key change (design, §3), checked after every step of a model. */
const SCOPE = { group: DEFAULT_GROUP, type: DEFAULT_TYPE };

export async function allChanges(world: World): Promise<readonly Change[]> {
  return (await world.ports.store.listChanges({ limit: 1000, after: undefined, openOnly: false })).items;
}

export async function openChangeOf(world: World): Promise<Change | undefined> {
  const fence = await world.ports.store.readFence(SCOPE);
  return fence?.openChange && (await world.ports.store.readChange({ id: fence.openChange }));
}

export async function servingAddresses(world: World): Promise<readonly UnitAddress[]> {
  const records = await world.ports.store.listUnits({});
  return records.filter(({ state }) => state === "serving").map(({ address }) => address);
}

export async function checkInvariants(world: World, book: Book): Promise<void> {
  const rows = book.rows();
  await checkStates(world);
  await checkFenceAndRows(world, rows);
  await checkRowsOpen(world, book, rows);
  const sample = book.payloads.slice(-2);
  const [oldest] = book.payloads;
  for (const payload of oldest ? [oldest, ...sample] : sample) await checkDecrypts(world, book, payload);
}

async function checkStates(world: World): Promise<void> {
  const changes = await allChanges(world);
  for (const change of changes) {
    const history = await world.ports.store.readHistory({ id: change.id });
    const states = history.map(({ state }) => state);
    expect(states[0]).toBe("PLANNED");
    expect(states.at(-1)).toBe(change.state);
    for (const [i, state] of states.entries()) {
      const before = states[i - 1];
      if (before !== undefined && before !== state)
        expect(WAYS[before], `${before} to ${state}`).toContain(state);
    }
    const { approval } = change;
    if (approval?.approvedBy) expect(approval.approvedBy).not.toBe(approval.requestedBy);
  }
  for (const { restores } of changes.filter(({ state }) => state !== "DONE" && WAYS[state].length > 0)) {
    const goneBackTo = changes.find(({ id }) => id === restores);
    expect(goneBackTo?.approval?.approvedBy, "a purge of what is being restored").toBeUndefined();
  }
  const open = changes.filter(({ state }) => WAYS[state].length > 0 && state !== "DONE");
  expect(open.length, "more than one change is open").toBeLessThanOrEqual(1);
}

async function checkFenceAndRows(world: World, rows: readonly RawRow[]): Promise<void> {
  const fence = await world.ports.store.readFence(SCOPE);
  if (!fence) throw new Error("there is no fence");
  const change = await openChangeOf(world);
  const activated = change?.state === "ACTIVATED" || change?.state === "FINALIZING";
  expect(fence.mustWrap).toEqual(change ? mustWrapIn(change) : [fence.currentVp]);
  if (change) expect(fence.currentVp).toBe(activated ? change.to : change.from);
  else expect(fence.targetVp).toBeUndefined();
  for (const row of rows)
    expect(wrongForms(row, change, fence.currentVp), `KEK row ${row.n}`).toBeUndefined();
}

/** Every row opens on some unit that serves, unless a bit of it was flipped, or a person took the untouched unit away. */
async function checkRowsOpen(world: World, book: Book, rows: readonly RawRow[]): Promise<void> {
  const serving = await servingAddresses(world);
  expect(serving.length, "no unit serves").toBeGreaterThan(0);
  if (book.tampered.size > 0 && !serving.includes(ANCHOR)) return;
  for (const row of rows) {
    if (book.poisons.some(({ n }) => n === row.n)) continue;
    expect(await opensSomewhere(world, serving, row), `KEK row ${row.n} opens nowhere`).toBe(true);
  }
}

async function opensSomewhere(world: World, among: readonly UnitAddress[], row: RawRow): Promise<boolean> {
  for (const address of among) if (await opensOn(world, address, row)) return true;
  return false;
}

/** Whether some unit that serves and answers opens the rows that a request for this project needs. */
async function isServable(world: World, book: Book, projectId: string | undefined): Promise<boolean> {
  const rows = book.rows();
  const among = (await servingAddresses(world)).filter((address) => !world.lost.has(address));
  const needed = rows.filter((row, i) => i === 0 || row.projectId === projectId);
  for (const row of needed) if (!(await opensSomewhere(world, among, row))) return false;
  return true;
}

/** A request that met no fault succeeds at once; one that met a fault succeeds at the second retry at the latest. */
export async function request<Result>(
  world: World,
  book: Book,
  projectId: string | undefined,
  work: () => Promise<Result>,
): Promise<Result | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isFailure(error)) throw error;
      if (book.faulty && attempt < 3) continue;
      if (book.faulty && !(await isServable(world, book, projectId))) return undefined;
      throw error;
    }
  }
}

export async function checkDecrypts(world: World, book: Book, payload: Payload): Promise<void> {
  const { project, ciphertext, plaintext } = payload;
  await request(world, book, project.id, async () => {
    const opened = await decrypt(world.ports, { project, ciphertext, context: {} });
    using secret = opened.plaintext;
    expect(Buffer.from(reveal(secret)).toString()).toBe(plaintext);
  });
}
