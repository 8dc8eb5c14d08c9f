import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openPostgresStore } from "../../packages/server/src/store/postgres-store.ts";
import { SCOPE } from "../contracts/store/samples.ts";
import { A } from "../model/arbitrary-facts.ts";
import { isWithout } from "../set-up/without.ts";
import { PAIRS } from "./pairs.ts";
import { Scene } from "./scene.ts";
import type { PostgresServer } from "./server.ts";
import { startPostgres } from "./server.ts";
import { oneAfterTheOther, sideBySide, Stage } from "./stage.ts";

/*
 * Transactions side by side. SQLite has one writer, so what a script has read stays true until it writes. On PostgreSQL
 * every pair of calls that could disturb each other is run here with the first one stopped in front of each of its
 * statements in turn, while the second one runs or waits for it: what both answer, and what is in the tables afterwards,
 * must be as if one had come after the other.
 */

let server: PostgresServer;

beforeAll(async () => {
  if (isWithout("postgresql")) return;
  server = await startPostgres({ settings: ["deadlock_timeout = 50ms"] });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

describe.skipIf(isWithout("postgresql"))("as if one had come after the other:", () => {
  test.each(PAIRS)("$title", async ({ scene }) => {
    const database = await server.newDatabase();
    const store = await openPostgresStore(server.address(database));
    await store.createFence({ ...SCOPE, currentVp: A, atMs: 1 });
    const [one, other] = await scene(new Scene(store));
    await store.close();
    await using stage = await Stage.set(server.address(database));
    const { statements: ofOne, ...inOrder } = await oneAfterTheOther(stage, one, other);
    const { statements: ofOther, ...swapped } = await oneAfterTheOther(stage, other, one);
    const inOtherOrder = { first: swapped.second, second: swapped.first, content: swapped.content };
    for (let n = 1; n < ofOne; n += 1) {
      const outcome = await sideBySide(stage, one, other, n);
      expect([inOrder, inOtherOrder], `the first one stopped in front of statement ${n}`).toContainEqual(
        outcome,
      );
    }
    for (let n = 1; n < ofOther; n += 1) {
      const { first, second, content } = await sideBySide(stage, other, one, n);
      const outcome = { first: second, second: first, content };
      expect([inOrder, inOtherOrder], `the second one stopped in front of statement ${n}`).toContainEqual(
        outcome,
      );
    }
  });
});
