import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NEWEST_SCHEMA } from "../../packages/server/src/store/migrations/migrate.ts";
import { readPostgres } from "../../packages/server/src/store/postgres-reading.ts";
import { openPostgresStore } from "../../packages/server/src/store/postgres-store.ts";
import { refusal } from "../contracts/crypto-unit-contract.ts";
import { isWithout } from "../set-up/without.ts";
import type { PostgresServer } from "./server.ts";
import { startPostgres } from "./server.ts";

/** What the doctor is told of a real server. */
describe.skipIf(isWithout("postgresql"))("what is read of a server and a database", () => {
  let server: PostgresServer;
  let database: string;

  beforeAll(async () => {
    server = await startPostgres({ settings: ["max_connections = 20", "fsync = off"] });
    database = await server.newDatabase();
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  test("is what it is, and reading changes nothing", async () => {
    expect(await readPostgres(server.address(database))).toEqual({
      version: expect.stringMatching(/^\d+\.\d+/) as string,
      major: expect.any(Number) as number,
      oldestMajor: 15,
      encoding: "UTF8",
      standby: false,
      settings: { fsync: "off", full_page_writes: "on", synchronous_commit: "on" },
      tls: null,
      superuser: true,
      mayCreate: true,
      othersTables: 0,
      openToAll: true,
      schema: undefined,
      knownSchema: NEWEST_SCHEMA,
      rollback: undefined,
      connections: { room: 17, needed: 12 },
      lock: undefined,
    });
    const tables = "SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    expect(await server.query(database, tables)).toEqual([]);
  });

  test("is the same beside a daemon, with its schema and its lock, and its connections are no others", async () => {
    await server.query("postgres", "ALTER SYSTEM SET fsync = on");
    await server.query("postgres", "SELECT pg_reload_conf()");
    for (;;) {
      const { settings } = await readPostgres(server.address(database));
      if (settings.fsync === "on") break;
    }
    const store = await openPostgresStore(server.address(database));
    await store.listFences({});
    const reading = await readPostgres(server.address(database));
    expect(reading).toMatchObject({ schema: NEWEST_SCHEMA, connections: { room: 17 } });
    expect(reading.lock).toEqual({
      from: "this machine",
      since: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string,
    });
    await store.close();
    await server.query(
      database,
      "INSERT INTO rollback_marks VALUES ('m', 'standing', 'restored', NULL, 'b', 1, 1, NULL, NULL)",
    );
    expect((await readPostgres(server.address(database))).rollback).toEqual({
      state: "standing",
      reason: "restored",
    });
  });

  test("of a role without rights, with limits of its own, is what it may and may not", async () => {
    await server.query("postgres", "CREATE ROLE weak LOGIN CONNECTION LIMIT 5");
    await server.query(database, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    const reading = await readPostgres({ ...server.address(database), user: "weak" }).catch((error) => error);
    expect(reading).toMatchObject({ code: "store-read-only" });
    await server.query(database, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO weak");
    expect(await readPostgres({ ...server.address(database), user: "weak" })).toMatchObject({
      superuser: false,
      mayCreate: false,
      othersTables: expect.any(Number) as number,
      connections: { room: 5 },
    });
  });

  test("is a refusal where there is no such database", async () => {
    expect(await refusal(readPostgres(server.address("nowhere")))).toBe("store-refused");
  });
});
