import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from "vitest";
import type { ChangeEvent } from "../../packages/server/src/core/master-key-change/transitions.ts";
import { advance } from "../../packages/server/src/core/master-key-change/transitions.ts";
import type { Store } from "../../packages/server/src/core/ports/store.ts";
import { openPostgresStore } from "../../packages/server/src/store/postgres-store.ts";
import { present } from "../contracts/crypto-unit-contract.ts";
import { changeId, kek, SCOPE, uuidOf } from "../contracts/store/samples.ts";
import { A, B, changeIn } from "../model/arbitrary-facts.ts";
import { isWithout } from "../set-up/without.ts";
import type { PostgresServer } from "./server.ts";
import { startPostgres } from "./server.ts";
import { SteppedConnection } from "./stepped-transaction.ts";

let server: PostgresServer;
let database: string;
let store: Store;

const create = (i: number) => {
  const made = kek(i, [A]);
  return { project: { id: made.projectId, name: `project ${i}`, kekId: made.id, createdAtMs: i }, kek: made };
};

describe.skipIf(isWithout("postgresql"))("the fence of PostgreSQL", () => {
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    database = await server.newDatabase();
    store = await openPostgresStore(server.address(database));
    await store.createFence({ ...SCOPE, currentVp: A, atMs: 1 });
  });
  afterEach(async () => {
    await store.close();
  });

  /** BEGIN, mark of a rollback, fence, its row, its patterns, project, KEK; then COMMIT. */
  const stopAtCommit = async (connection: SteppedConnection, i: number) => {
    const stopped = await connection.runUntil({ name: "createProject", input: create(i) }, 7);
    expect(await store.findProject({ ref: `project ${i}` }), "it is not committed").toBeUndefined();
    return stopped;
  };
  const waiting = async () =>
    (await server.query(database, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
      .length;
  const untilWaiting = async (count: number) => {
    while ((await waiting()) < count) continue;
  };
  const transitionOf = async (event: ChangeEvent) => {
    const change = present(await store.readChange({ id: changeId(1) }));
    const fence = present(await store.readFence(SCOPE));
    const step = advance(change, fence, event);
    const entry = { atMs: 9, state: step.state, by: "alice", note: "" };
    return { change, generation: fence.generation, advance: step, amendment: {}, entry };
  };

  test("a transition that waits goes before every creation that comes after it, so that a crowd does not starve it", async () => {
    await store.openChange({ change: changeIn("PLANNED", { id: changeId(1) }), note: "" });
    await store.transition(await transitionOf({ name: "staged", to: B }));
    await using connection = await SteppedConnection.open(server.address(database));
    const before = await stopAtCommit(connection, 1);
    const transition = store.transition(await transitionOf({ name: "reencipher" }));
    await untilWaiting(1);
    const after = [2, 3].map((i) => store.createProject(create(i)));
    await untilWaiting(3);
    connection.goOn();
    expect(await before.result).toBe("created");
    expect(await transition).toBe("done");
    expect(await Promise.all(after)).toEqual(["fence-moved", "fence-moved"]);
  });

  test("a sweep does not pass a row that is born but not committed, whatever is committed behind it", async () => {
    await using slow = await SteppedConnection.open(server.address(database));
    const stopped = await stopAtCommit(slow, 1);
    expect(await store.createProject(create(2))).toBe("created");
    const sweep = store.readSweepRows({ ...SCOPE, vp: A, after: 0, only: undefined, limit: 9 });
    await untilWaiting(1);
    slow.goOn();
    expect(await stopped.result).toBe("created");
    const { rows, last } = await sweep;
    expect(rows.map(({ projectId }) => projectId)).toEqual([1, 2].map((i) => uuidOf(2, i)));
    expect(last).toBe(2);
  });
});
