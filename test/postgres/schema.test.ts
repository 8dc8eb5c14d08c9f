import { mkdtempSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BACKUP_TABLES, LEFT_OUT } from "../../packages/server/src/store/backup-tables.ts";
import { openPostgresStore } from "../../packages/server/src/store/postgres-store.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite-store.ts";
import { SCRATCH } from "../model/scratch.ts";
import { isWithout } from "../set-up/without.ts";
import type { PostgresServer } from "./server.ts";
import { startPostgres } from "./server.ts";

/** A backup of one dialect is restored into the other: what it may hold must fit there. */
const KINDS: Readonly<Record<string, string>> = {
  bigint: "INTEGER",
  integer: "INTEGER",
  text: "TEXT",
  bytea: "BLOB",
};

describe.skipIf(isWithout("postgresql"))("the schemas of SQLite and PostgreSQL", () => {
  let server: PostgresServer;
  let database: string;
  let folder: string;
  let db: DatabaseSync;

  beforeAll(async () => {
    server = await startPostgres();
    database = await server.newDatabase();
    await (await openPostgresStore(server.address(database))).close();
    folder = mkdtempSync(join(SCRATCH, "claviger-schema-"));
    const path = join(folder, "store.db");
    await openSqliteStore({ path, threads: "none" }).close();
    db = new DatabaseSync(path, { readOnly: true });
  });
  afterAll(async () => {
    db.close();
    rmSync(folder, { recursive: true });
    await server[Symbol.asyncDispose]();
  });

  test("have the same tables, but for the terms of daemons, which are of one place only", async () => {
    const tables = await server.query<{ name: string }>(
      database,
      "SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
    );
    expect(tables.map(({ name }) => name).toSorted()).toEqual(
      [...Object.keys(BACKUP_TABLES), ...Object.keys(LEFT_OUT), "daemon_terms"].toSorted(),
    );
  });

  test.each(Object.keys(BACKUP_TABLES))(
    "have the same columns in %s: names, kinds, what may be null",
    async (table) => {
      const there = await server.query<{ name: string; kind: string; nullable: string }>(
        database,
        `SELECT column_name AS name, data_type AS kind, is_nullable AS nullable FROM information_schema.columns
       WHERE table_name = '${table}' ORDER BY ordinal_position`,
      );
      const here = db
        .prepare('SELECT name, type, "notnull" OR pk > 0 AS needed FROM pragma_table_info(?)')
        .all(table);
      expect(there.map(({ name, kind, nullable }) => [name, KINDS[kind], nullable === "NO"])).toEqual(
        here.map(({ name, type, needed }) => [name, type, needed === 1]),
      );
    },
  );
});
