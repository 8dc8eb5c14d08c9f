import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import type { KekRecord } from "../../../packages/server/src/core/hierarchy/records.ts";
import type { ChangeId, KekId, Vp } from "../../../packages/server/src/core/ids.ts";
import type { Change, Fence } from "../../../packages/server/src/core/master-key-change/change.ts";
import type { ChangeEvent } from "../../../packages/server/src/core/master-key-change/transitions.ts";
import { advance } from "../../../packages/server/src/core/master-key-change/transitions.ts";
import type { Store } from "../../../packages/server/src/core/ports/store.ts";
import type { WorkOrder } from "../../../packages/server/src/core/ports/change-store.ts";
import { A, B, changeIn } from "../../model/arbitrary-facts.ts";
import { SCRATCH } from "../../model/scratch.ts";
import { present } from "../crypto-unit-contract.ts";
import { changeId, claimAs, kek, rewrapped, rowsOf, SCOPE, unit, uuidOf } from "./samples.ts";

/** A back end: how a store is opened on what `place` names, as often as one likes. */
export interface StoreBackEnd {
  readonly name: string;
  open(place: string): Store | Promise<Store>;
  /** Runs SQL on what `place` names, past the store: what the store itself would never write. */
  damage(place: string, sql: string): void | Promise<void>;
  /** Puts something else on what `place` names; returns what reads it. */
  misuse(place: string): Promise<() => unknown>;
}

/** An open store with the fence of a first master key, new for each test, and the steps that tests are made of. */
export type StoreRig = ReturnType<typeof storeRig>;

export function storeRig(backEnd: StoreBackEnd) {
  let folder: string;
  let place: string;
  let store: Store;

  beforeEach(async () => {
    folder = mkdtempSync(join(SCRATCH, "claviger-store-"));
    place = join(folder, "store.db");
    store = await backEnd.open(place);
    await store.createFence({ ...SCOPE, currentVp: A, atMs: 1 });
  });

  afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const create = (i: number, vps: readonly Vp[], name = `project ${i}`) => {
    const made = kek(i, vps);
    const project = { id: made.projectId, name, kekId: made.id, createdAtMs: i };
    return store.createProject({ project, kek: made });
  };
  const createRows = async (count: number, first = 1): Promise<void> => {
    for (let i = first; i < first + count; i++) expect(await create(i, [A])).toBe("created");
  };
  const addUnits = async (count: number): Promise<void> => {
    for (let i = 1; i <= count; i++) expect(await store.addUnit({ unit: unit(i) })).toBe("added");
  };
  const readKek = async (i: number): Promise<KekRecord> =>
    present(await store.readKek({ kekId: uuidOf(3, i) as KekId }));
  const fence = async (): Promise<Fence> => present(await store.readFence(SCOPE));
  const read = async (id = changeId(1)): Promise<Change> => present(await store.readChange({ id }));

  const openOne = async (i = 1, over: Partial<Change> = {}): Promise<Change> => {
    const change = changeIn("PLANNED", { id: changeId(i), openedAtMs: i, ...over });
    expect(await store.openChange({ change, note: "opened" })).toBe("opened");
    return change;
  };
  /** The transition that an event leads to from where the change is now. */
  const transitionOf = async (event: ChangeEvent, id = changeId(1)) => {
    const change = await read(id);
    const now = await fence();
    const step = advance(change, now, event);
    const entry = { atMs: 9, state: step.state, by: "alice", note: event.name };
    return { change, generation: now.generation, advance: step, amendment: {}, entry };
  };
  /** What `transition` answers for an event of the change as it is now. */
  const move = async (event: ChangeEvent, id = changeId(1)) =>
    store.transition(await transitionOf(event, id));
  const goTo = async (...events: ChangeEvent["name"][]): Promise<void> => {
    for (const name of events)
      expect(await move(name === "staged" ? { name, to: B } : { name }), name).toBe("done");
  };
  /** What a worker that has just looked names with its writes. */
  const order = async (id: ChangeId = changeId(1)): Promise<WorkOrder> => ({
    changeId: id,
    generation: (await fence()).generation,
  });
  const reencipherAll = async (id = changeId(1)): Promise<void> => {
    const work = await order(id);
    const rows = rowsOf(await store.claimRows({ ...work, ...claimAs("all", { limit: 1000 }) }));
    await store.commitRows({ ...work, outcomes: rewrapped(rows), nowMs: 1, next: undefined });
  };

  return {
    get store(): Store {
      return store;
    },
    /** The folder that the place is in. */
    get folder(): string {
      return folder;
    },
    /** Opens a store on another place. */
    open: (other: string): Store | Promise<Store> => backEnd.open(other),
    close: (): Promise<void> => store.close(),
    /** Opens the place again, after it was closed. */
    reopen: async (): Promise<void> => {
      store = await backEnd.open(place);
    },
    misuse: (other: string) => backEnd.misuse(other),
    damage: async (sql: string): Promise<void> => {
      await backEnd.damage(place, sql);
    },
    create,
    createRows,
    addUnits,
    readKek,
    fence,
    read,
    openOne,
    transitionOf,
    move,
    goTo,
    order,
    reencipherAll,
  };
}
