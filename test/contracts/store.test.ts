import { readFileSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe } from "vitest";
import { openPostgresStore } from "../../packages/server/src/store/postgres-store.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite-store.ts";
import type { PostgresServer } from "../postgres/server.ts";
import { startPostgres } from "../postgres/server.ts";
import { isWithout } from "../set-up/without.ts";
import { storeContract } from "./store/store-contract.ts";

const sqlite = {
  damage: (path: string, sql: string): void => {
    const db = new DatabaseSync(path, { timeout: 5_000 });
    db.exec(sql);
    db.close();
  },
  misuse: async (path: string) => {
    writeFileSync(path, "Dear Claviger, ".repeat(100));
    return () => readFileSync(path, "utf8");
  },
};

storeContract({
  name: "SQLite in the caller's thread",
  open: (path) => openSqliteStore({ path, threads: "none" }),
  ...sqlite,
});
storeContract({
  name: "SQLite in threads",
  open: (path) => openSqliteStore({ path, threads: "own" }),
  ...sqlite,
});

describe.skipIf(isWithout("postgresql"))("on a server", () => {
  let server: PostgresServer;
  const databaseOf = async (place: string): Promise<string> => (await server.addressOf(place)).database;

  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  storeContract({
    name: "PostgreSQL",
    open: async (place) => openPostgresStore(await server.addressOf(place)),
    damage: async (place, sql) => {
      await server.query(await databaseOf(place), sql);
    },
    misuse: async (place) => {
      const database = await databaseOf(place);
      await server.query(
        database,
        "CREATE TABLE schema_migrations (version TEXT); INSERT INTO schema_migrations VALUES ('20260101')",
      );
      return async () => [
        await server.query(
          database,
          "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace",
        ),
        await server.query(database, "SELECT * FROM schema_migrations"),
      ];
    },
  });
});
