import { AsyncLocalStorage } from "node:async_hooks";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { isFailure } from "../../packages/server/src/core/errors.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../../packages/server/src/core/ids.ts";
import { activateChange } from "../../packages/server/src/core/operations/activate-change.ts";
import { approveChange } from "../../packages/server/src/core/operations/approve-change.ts";
import { cancelChange } from "../../packages/server/src/core/operations/cancel-change.ts";
import { createChange } from "../../packages/server/src/core/operations/create-change.ts";
import { createProject } from "../../packages/server/src/core/operations/create-project.ts";
import { finalizeChange } from "../../packages/server/src/core/operations/finalize-change.ts";
import { purgeChange } from "../../packages/server/src/core/operations/purge-change.ts";
import { quarantineUnit } from "../../packages/server/src/core/operations/quarantine-unit.ts";
import { reencipherChange } from "../../packages/server/src/core/operations/reencipher-change.ts";
import { removeUnit } from "../../packages/server/src/core/operations/remove-unit.ts";
import { restoreChange } from "../../packages/server/src/core/operations/restore-change.ts";
import type { Store } from "../../packages/server/src/core/ports/store.ts";
import type { UnitAddress } from "../../packages/server/src/core/ids.ts";
import type { CryptoUnit } from "../../packages/server/src/core/unit/crypto-unit.ts";
import { Book } from "./book.ts";
import { interleavingParameters } from "./budget.ts";
import { allChanges, checkInvariants, openChangeOf } from "./invariants.ts";
import { attempt, round, settle, VERBS } from "./verbs.ts";
import type { World } from "./world.ts";
import { guarded, newWorld, removeTemplate } from "./world.ts";

/**
 * Rules 1 and 2 under every order of their steps: each call of the store and of a unit is one step that a scheduler
 * lets go, so that anything may happen between reading the fence, wrapping, and inserting; or between claiming,
 * re-enciphering, and writing.
 */
afterAll(removeTemplate);

const SCOPE = { group: DEFAULT_GROUP, type: DEFAULT_TYPE };
const alice = "alice";

/** What may happen beside the others. Each reads what it acts on as it goes. */
type Actor = (world: World, book: Book) => Promise<unknown>;

const newest = async (world: World) => {
  const [change] = await allChanges(world);
  if (!change) throw new Error("there is no change");
  return { change: change.id, by: alice, to: change.to ?? "" };
};

let made = 0;
const creator: Actor = async (world) => createProject(world.ports, { name: `late ${(made += 1)}` });
const reencipher: Actor = async (world) => reencipherChange(world.ports, await newest(world));
const cancel: Actor = async (world) => cancelChange(world.ports, await newest(world));
const activate: Actor = async (world) => {
  const { to, ...input } = await newest(world);
  return activateChange(world.ports, { ...input, vp: to, override: false });
};
const finalize: Actor = async (world) => finalizeChange(world.ports, await newest(world));
const worker: Actor = async (world) => round(world);
const workers: Actor = async (world) => {
  for (let rounds = 0; rounds < 4; rounds++) await round(world);
};
const cancelToTheEnd: Actor = async (world, book) => {
  await cancel(world, book);
  for (let rounds = 0; rounds < 12 && (await openChangeOf(world)); rounds++) await round(world);
};
const reencipherAndCarryOn: Actor = async (world, book) => {
  await reencipher(world, book);
  await workers(world, book);
};
/** A cancel that is done to its end, and the same target in another change at once. */
const changeAnew: Actor = async (world, book) => {
  await attempt(() => cancel(world, book));
  for (let rounds = 0; rounds < 8 && (await openChangeOf(world)); rounds++) await round(world);
  await createChange(world.ports, {
    ...SCOPE,
    expectedVp: undefined,
    freeze: "none",
    rowsPerSecond: undefined,
    restores: undefined,
    by: alice,
  });
  await VERBS.newKeyEverywhere(world);
  await reencipher(world, book);
};
const quarantine =
  (address: string): Actor =>
  (world) =>
    quarantineUnit(world.ports, { address: address as UnitAddress, reason: "race", by: alice });
const remove =
  (address: string): Actor =>
  (world) =>
    removeUnit(world.ports, { address: address as UnitAddress, by: alice });

/** A race: how far the change is brought first, and who meets then. */
interface Race {
  readonly title: string;
  readonly before: (world: World, book: Book) => Promise<void>;
  readonly actors: readonly Actor[];
}

const plan = async (world: World): Promise<void> => {
  await VERBS.create(world);
  await VERBS.newKeyEverywhere(world);
  await round(world);
};
const enciphering = async (world: World, book: Book): Promise<void> => {
  await plan(world);
  await reencipher(world, book);
};
const ready = async (world: World, book: Book): Promise<void> => {
  await enciphering(world, book);
  await settle(world);
};
const activating = async (world: World, book: Book): Promise<void> => {
  await ready(world, book);
  await activate(world, book);
};
const done = async (world: World, book: Book): Promise<void> => {
  await activating(world, book);
  await settle(world);
  await finalize(world, book);
  await settle(world);
};

const RACES: readonly Race[] = [
  {
    title: "a KEK that was wrapped before re-enciphering began carries both patterns when it is kept",
    before: plan,
    actors: [creator, creator, reencipherAndCarryOn, worker],
  },
  {
    title: "a KEK that was wrapped for a change that was canceled meanwhile is wrapped again",
    before: enciphering,
    actors: [creator, creator, cancel, workers],
  },
  {
    title: "a KEK born while the rows are counted does not slip past the count",
    before: enciphering,
    actors: [creator, workers, creator],
  },
  {
    title: "a KEK born while units activate opens on those that have and those that have not",
    before: ready,
    actors: [creator, activate, workers, creator],
  },
  {
    title: "a KEK that was wrapped under both while the last unit activated carries the new pattern alone",
    before: activating,
    actors: [creator, workers, workers, creator],
  },
  {
    title: "a late worker of a canceled change writes nothing",
    before: enciphering,
    actors: [worker, cancelToTheEnd],
  },
  {
    title: "a late worker of an older change writes nothing into a newer one",
    before: enciphering,
    actors: [worker, changeAnew, creator],
  },
  {
    title: "of those who activate and those who cancel one is refused",
    before: ready,
    actors: [activate, cancel, workers, creator],
  },
  {
    title: "of those who tell a unit to activate and those who cancel one is too late",
    before: activating,
    actors: [worker, cancelToTheEnd, workers, creator],
  },
  {
    title: "two runners carry one change on without harm",
    before: activating,
    actors: [workers, workers, finalize],
  },
  {
    title: "a purge is not approved beside a restore that needs the old forms, nor a restore begun beside it",
    before: async (world, book) => {
      await done(world, book);
      await purgeChange(world.ports, await newest(world));
    },
    actors: [
      async (world) => approveChange(world.ports, { ...(await newest(world)), by: "bob" }),
      async (world) => restoreChange(world.ports, await newest(world)),
      worker,
    ],
  },
  {
    title: "operators who each take another unit out leave one that serves",
    before: async () => {},
    actors: [quarantine("01.0001"), remove("01.0002"), quarantine("01.0003"), creator],
  },
];

/** `store` with every call let go by `gate`. */
function gatedStore(store: Store, gate: (call: string) => Promise<void>): Store {
  return new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function" || property === "close") return value;
      return async (...args: unknown[]) => {
        await gate(`store.${String(property)}`);
        return Reflect.apply(value, target, args) as unknown;
      };
    },
  });
}

/** What all runs of a race begin with. */
interface Start {
  readonly world: World;
  readonly book: Book;
}

async function startOf({ before }: Pick<Race, "before">): Promise<Start> {
  const world = await newWorld();
  const book = new Book(world);
  await VERBS.project(world, book);
  await VERBS.key(world, book, 0);
  await VERBS.encrypt(world, book, 0);
  await before(world, book);
  book.close();
  await world.close();
  return { world, book };
}

/** One of the actors is held at one of its calls until all others are done: chance alone hardly ever is that late. */
interface Late {
  readonly actor: number;
  readonly call: number;
}

const anyLate = fc.option(fc.record<Late>({ actor: fc.nat({ max: 3 }), call: fc.nat({ max: 20 }) }), {
  nil: undefined,
  freq: 4,
});

/** Lets the actors' calls go one by one: in the scheduler's order, but for the one that comes late. */
class Gate {
  readonly #scheduler: fc.Scheduler;
  readonly #late: Late | undefined;
  readonly #actor = new AsyncLocalStorage<{ readonly index: number; calls: number }>();
  /** Work for which the others wait: whoever is in it cannot wait for them. */
  readonly #awaited = new AsyncLocalStorage<true>();
  #othersDone: Promise<unknown> = Promise.resolve();

  constructor(scheduler: fc.Scheduler, late: Late | undefined) {
    this.#scheduler = scheduler;
    this.#late = late;
  }

  readonly pass = async (call: string): Promise<void> => {
    const actor = this.#actor.getStore();
    if (!actor) return;
    actor.calls += 1;
    const isLate = actor.index === this.#late?.actor && actor.calls > this.#late.call;
    if (isLate && !this.#awaited.getStore()) await this.#othersDone;
    await this.#scheduler.schedule(Promise.resolve(), `${actor.index} ${call}`);
  };

  /** Notes the work of a runner for which other actors wait. */
  watch(runner: World["runner"]): void {
    const run = runner.withoutActivation.bind(runner);
    runner.withoutActivation = (work) => run(() => this.#awaited.run(true, work));
  }

  async run(actors: readonly (() => Promise<void>)[]): Promise<void> {
    const start = Promise.withResolvers<void>();
    const all = actors.map((actor, index) =>
      this.#actor.run({ index, calls: 0 }, async () => {
        await start.promise;
        await actor();
      }),
    );
    this.#othersDone = Promise.allSettled(all.filter((_, index) => index !== this.#late?.actor));
    start.resolve();
    await this.#scheduler.waitFor(Promise.all(all));
  }
}

async function race(
  start: Start,
  actors: readonly Actor[],
  { scheduler, late }: { readonly scheduler: fc.Scheduler; readonly late: Late | undefined },
): Promise<void> {
  const gate = new Gate(scheduler, late);
  const around = {
    store: (store: Store) => gatedStore(store, gate.pass),
    unit: (unit: CryptoUnit) => guarded(unit, gate.pass),
  };
  const world = await newWorld(around, start.world.folder);
  const book = new Book(world, start.book);
  gate.watch(world.runner);
  try {
    await gate.run(actors.map((actor) => () => attempt(() => actor(world, book))));
    await checkInvariants(world, book);
    await settle(world);
    await checkInvariants(world, book);
    const change = await openChangeOf(world);
    if (change?.state === "READY") {
      await activate(world, book);
      await settle(world);
      await checkInvariants(world, book);
    }
    const blocked = (await allChanges(world)).flatMap(({ blockedReason }) => blockedReason ?? []);
    expect(blocked).toEqual([]);
  } finally {
    book.close();
    await world.dispose();
  }
}

const anyOrder = fc.record({ scheduler: fc.scheduler(), late: anyLate });

describe("in every order of their steps", () => {
  test.each(RACES)("$title", { timeout: 600_000 }, async (one) => {
    const start = await startOf(one);
    expect(one.actors.length).toBeGreaterThan(1);
    try {
      await fc.assert(
        fc.asyncProperty(anyOrder, (order) => race(start, one.actors, order)),
        interleavingParameters(RACES.length),
      );
    } finally {
      await start.world.dispose();
    }
  });

  test(
    "a request that met no fault succeeds, however often the fence moves under it",
    { timeout: 600_000 },
    async () => {
      const start = await startOf({ before: plan });
      await fc.assert(
        fc.asyncProperty(anyOrder, async (order) => {
          const refused: unknown[] = [];
          const sure: Actor = async (world, book) => {
            try {
              await creator(world, book);
            } catch (error) {
              if (!isFailure(error)) throw error;
              refused.push(error);
            }
          };
          await race(start, [sure, reencipher, workers, sure], order);
          expect(refused).toEqual([]);
        }),
        interleavingParameters(RACES.length),
      );
      await start.world.dispose();
    },
  );
});
