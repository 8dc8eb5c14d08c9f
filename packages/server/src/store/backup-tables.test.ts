import { mkdtempSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SCRATCH } from "../../../../test/model/scratch.ts";
import { BACKUP_TABLES, LEFT_OUT } from "./backup-tables.ts";
import { openSqliteStore } from "./sqlite-store.ts";

let folder: string;
let db: DatabaseSync;

beforeAll(async () => {
  folder = mkdtempSync(join(SCRATCH, "claviger-tables-"));
  const path = join(folder, "store.db");
  await openSqliteStore({ path, threads: "none" }).close();
  db = new DatabaseSync(path, { readOnly: true });
});
afterAll(() => {
  db.close();
  rmSync(folder, { recursive: true });
});

const namesOf = (sql: string): string[] =>
  db
    .prepare(sql)
    .all()
    .map(({ name }) => String(name));

test("every table of the schema is in a backup, or left out for a reason", () => {
  const tables = namesOf("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
  expect([...Object.keys(BACKUP_TABLES), ...Object.keys(LEFT_OUT)].toSorted()).toEqual(tables.toSorted());
});

test.each(Object.entries(BACKUP_TABLES))(
  "rows of %s are ordered by a key that no two of them share",
  (table, key) => {
    const unique = db
      .prepare('SELECT name FROM pragma_index_list(?) WHERE "unique" = 1')
      .all(table)
      .map(({ name }) =>
        db
          .prepare("SELECT name FROM pragma_index_info(?)")
          .all(String(name))
          .map(({ name: of }) => of),
      );
    const rowid = db.prepare("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk").all(table);
    expect([...unique, rowid.map(({ name }) => name)]).toContainEqual([...key]);
  },
);
