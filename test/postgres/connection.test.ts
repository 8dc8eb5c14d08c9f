import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FailureCode } from "../../packages/server/src/core/errors.ts";
import { isFailure } from "../../packages/server/src/core/errors.ts";
import type { Store } from "../../packages/server/src/core/ports/store.ts";
import type { PostgresAddress } from "../../packages/server/src/store/postgres-address.ts";
import { openPostgresStore, reachPostgres } from "../../packages/server/src/store/postgres-store.ts";
import { refusal } from "../contracts/crypto-unit-contract.ts";
import { kek, SCOPE } from "../contracts/store/samples.ts";
import { A } from "../model/arbitrary-facts.ts";
import { isWithout } from "../set-up/without.ts";
import type { Proxy } from "./proxy.ts";
import { startProxy } from "./proxy.ts";
import type { PostgresServer } from "./server.ts";
import { startPostgres } from "./server.ts";

let server: PostgresServer;

beforeAll(async () => {
  // Who has waited so long looks for a deadlock, once: by then the test has made one.
  if (!isWithout("postgresql")) server = await startPostgres({ settings: ["deadlock_timeout = 2s"] });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

const create = (store: Store, i: number) => {
  const made = kek(i, [A]);
  const project = { id: made.projectId, name: `project ${i}`, kekId: made.id, createdAtMs: i };
  return store.createProject({ project, kek: made });
};

interface Rig extends AsyncDisposable {
  readonly store: Store;
  readonly proxy: Proxy;
  readonly database: string;
  /** Of the server itself, past the proxy. */
  readonly direct: PostgresAddress;
}

/** A store with a fence, behind a proxy. */
async function openBehindProxy(): Promise<Rig> {
  const database = await server.newDatabase();
  const proxy = await startProxy(server.socket);
  const direct = server.address(database);
  const store = await openPostgresStore({ ...direct, host: "127.0.0.1", port: proxy.port });
  await store.createFence({ ...SCOPE, currentVp: A, atMs: 1 });
  return {
    store,
    proxy,
    database,
    direct,
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** Resolves when the call no longer fails with `while`; anything else is thrown. */
async function eventually<Result>(call: () => Promise<Result>, whileFailing: FailureCode): Promise<Result> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isFailure(error, whileFailing)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

describe.skipIf(isWithout("postgresql"))("a connection that is lost", () => {
  test("in front of COMMIT: the call fails, nothing has happened, and the next call works", async () => {
    await using rig = await openBehindProxy();
    rig.proxy.cutAtCommit("before");
    expect(await refusal(create(rig.store, 1))).toBe("store-failed");
    expect(await rig.store.findProject({ ref: "project 1" })).toBeUndefined();
    expect(await create(rig.store, 1)).toBe("created");
  });

  test("behind COMMIT: the call fails, it has happened, and may be repeated", async () => {
    await using rig = await openBehindProxy();
    rig.proxy.cutAtCommit("after");
    expect(await refusal(create(rig.store, 1))).toBe("store-failed");
    expect((await rig.store.findProject({ ref: "project 1" }))?.name).toBe("project 1");
    expect(await create(rig.store, 1)).toBe("name-taken");
  });

  test("while the server still commits: the call fails when that has ended, so that what is read then is the truth", async () => {
    await using rig = await openBehindProxy();
    const waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    try {
      await server.query("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'absent'");
      await server.query("postgres", "SELECT pg_reload_conf()");
      await waitFor(() =>
        server.query("postgres", "SELECT 1 WHERE current_setting('synchronous_standby_names') = 'absent'"),
      );
      const created = refusal(create(rig.store, 1));
      await waitFor(() => server.query("postgres", waits));
      rig.proxy.cut();
      expect(await created).toBe("store-failed");
      expect(await server.query(rig.database, "SELECT name FROM projects")).toEqual([{ name: "project 1" }]);
      expect(await server.query("postgres", waits)).toEqual([]);
    } finally {
      await server.query("postgres", "ALTER SYSTEM RESET synchronous_standby_names");
      await server.query("postgres", "SELECT pg_reload_conf()");
    }
  });

  test("with every other one: calls fail until they are made again, which needs nobody", async () => {
    await using rig = await openBehindProxy();
    await create(rig.store, 1);
    rig.proxy.cut({ letIn: false });
    expect(await refusal(create(rig.store, 2))).toBe("store-failed");
    expect(await refusal(rig.store.census(SCOPE))).toBe("store-failed");
    rig.proxy.cut({ letIn: true });
    expect(await eventually(() => create(rig.store, 2), "store-failed")).toBe("created");
    expect(await rig.store.census(SCOPE)).toMatchObject([{ current: 2 }]);
  });

  test("because the server was restarted: the same", async () => {
    await using rig = await openBehindProxy();
    await create(rig.store, 1);
    await server.restart();
    expect(await eventually(() => create(rig.store, 2), "store-failed")).toBe("created");
  });
});

describe.skipIf(isWithout("postgresql"))("one daemon a database", () => {
  const lockHolders = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted";

  test("a second one is refused until the first has left", async () => {
    const address = server.address(await server.newDatabase());
    const first = await openPostgresStore(address);
    expect(await refusal(openPostgresStore(address))).toBe("store-in-use");
    await first.close();
    const second = await openPostgresStore(address);
    await second.close();
  });

  test("on another database of the same server it is not", async () => {
    const stores = [];
    for (const _ of [1, 2]) stores.push(await openPostgresStore(server.address(await server.newDatabase())));
    for (const store of stores) {
      expect(await store.listFences({})).toEqual([]);
      await store.close();
    }
  });

  test("a place that is only looked at is left as it is, and is held meanwhile", async () => {
    const database = await server.newDatabase();
    const place = await reachPostgres(server.address(database));
    expect(await place.isThere()).toBe(false);
    expect(
      await server.query(database, "SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace"),
    ).toEqual([]);
    expect(await refusal(reachPostgres(server.address(database)))).toBe("store-in-use");
    await (await place.open()).close();
    expect(await place.isThere()).toBe(true);
    await place.leave();
  });

  test("while the lock is lost nothing is served, and nothing that was under way is committed", async () => {
    await using rig = await openBehindProxy();
    const other = new Client({ ...rig.direct, ssl: false });
    await other.connect();
    await other.query("BEGIN; LOCK TABLE projects IN EXCLUSIVE MODE");
    const underWay = refusal(create(rig.store, 1));
    await waitFor(() => server.query(rig.database, "SELECT 1 FROM pg_locks WHERE NOT granted"));
    await server.query(rig.database, `SELECT pg_terminate_backend(pid) FROM (${lockHolders}) AS holders`);
    await waitFor(async () => ((await refusal(rig.store.listFences({}))) === "store-failed" ? [true] : []));
    await other.query("ROLLBACK");
    expect(await underWay).toBe("store-failed");
    await other.end();
    expect(
      await eventually(() => rig.store.findProject({ ref: "project 1" }), "store-failed"),
    ).toBeUndefined();
    expect(await create(rig.store, 1)).toBe("created");
  });

  test("one whose lock was lost does not serve again when another one has served meanwhile", async () => {
    await using rig = await openBehindProxy();
    await create(rig.store, 1);
    rig.proxy.cut({ letIn: false });
    const other = await openPostgresStore(rig.direct);
    await create(other, 2);
    await other.close();
    rig.proxy.cut({ letIn: true });
    expect(await refusal(eventually(() => create(rig.store, 3), "store-failed"))).toBe("store-in-use");
    expect(await refusal(rig.store.listFences({}))).toBe("store-in-use");
  });

  test("one whose database was made anew meanwhile takes it for another one, however often daemons began there", async () => {
    await using rig = await openBehindProxy();
    await create(rig.store, 1);
    rig.proxy.cut({ letIn: false });
    await server.query(rig.database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    await (await openPostgresStore(rig.direct)).close();
    rig.proxy.cut({ letIn: true });
    expect(await refusal(eventually(() => rig.store.listFences({}), "store-failed"))).toBe("store-in-use");
  });
});

async function waitFor(look: () => Promise<readonly unknown[]>): Promise<void> {
  while ((await look()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
}

describe.skipIf(isWithout("postgresql"))("what the server says", () => {
  const opening = (address: PostgresAddress) => refusal(openPostgresStore(address));

  test("a database or a user that is not there, and a server that is not: refused, and said", async () => {
    const address = server.address(await server.newDatabase());
    expect(await opening({ ...address, database: "nowhere" })).toBe("store-refused");
    expect(await opening({ ...address, user: "nobody" })).toBe("store-refused");
    const absent = openPostgresStore({ ...address, host: "127.0.0.1", port: 1 });
    await expect(absent).rejects.toMatchObject({
      code: "store-failed",
      message: expect.stringMatching(/127\.0\.0\.1:1, as user postgres: .*ECONNREFUSED/),
    });
  });

  test("a role without rights, and a database that may only be read: store-read-only", async () => {
    const database = await server.newDatabase();
    await server.query("postgres", "CREATE ROLE guest LOGIN");
    expect(await opening({ ...server.address(database), user: "guest" })).toBe("store-read-only");
    await (await openPostgresStore(server.address(database))).close();
    await server.query("postgres", `ALTER DATABASE ${database} SET default_transaction_read_only = on`);
    expect(await opening(server.address(database))).toBe("store-read-only");
  });

  test("no room for one more connection: store-busy", async () => {
    const database = await server.newDatabase();
    await server.query("postgres", "CREATE ROLE crowd LOGIN CONNECTION LIMIT 0");
    expect(await opening({ ...server.address(database), user: "crowd" })).toBe("store-busy");
  });

  test("a server that does not write to the disk, and a database in another encoding: store-unsuitable", async () => {
    const database = await server.newDatabase();
    await server.query("postgres", "ALTER SYSTEM SET fsync = off");
    await server.restart();
    expect(await opening(server.address(database))).toBe("store-unsuitable");
    await server.query("postgres", "ALTER SYSTEM RESET fsync");
    await server.restart();
    await server.query("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0");
    expect(await opening(server.address("latin"))).toBe("store-unsuitable");
    await (await openPostgresStore(server.address(database))).close();
  });

  test("somebody else's lock on a table: store-busy, and nothing is held meanwhile", async () => {
    await using rig = await openBehindProxy();
    const other = new Client({ ...rig.direct, ssl: false });
    await other.connect();
    await other.query("BEGIN; LOCK TABLE keks");
    expect(await refusal(create(rig.store, 1))).toBe("store-busy");
    await other.query("ROLLBACK");
    await other.end();
    expect(await create(rig.store, 1)).toBe("created");
  });

  test("a deadlock with somebody else: the transaction is run again, and the caller does not notice", async () => {
    await using rig = await openBehindProxy();
    const { store } = rig;
    const other = new Client({ ...rig.direct, ssl: false });
    await other.connect();
    await other.query("SET deadlock_timeout = '60s'; BEGIN; LOCK TABLE projects IN EXCLUSIVE MODE");
    const created = create(store, 2); // holds the fence, and waits for the table
    await waitFor(() => server.query(rig.database, "SELECT 1 FROM pg_locks WHERE NOT granted"));
    const [fence] = await server.query<{ objid: number }>(
      rig.database,
      "SELECT (classid::bigint << 32 | objid::bigint)::text AS objid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND mode = 'ShareLock'",
    );
    await other.query("SELECT pg_advisory_xact_lock($1)", [fence?.objid]);
    await other.query("COMMIT");
    await other.end();
    expect(await created).toBe("created");
  });
});
