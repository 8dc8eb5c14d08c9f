import { mkdtempSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SCRATCH } from "../../../../test/model/scratch.ts";
import { MIGRATIONS, NEWEST_SCHEMA } from "./migrations/migrate.ts";
import { openSqliteRestoreTarget } from "./sqlite-restore-target.ts";

test("a backup of an older schema is written as it was, then migrated with its rows", async () => {
  const folder = mkdtempSync(join(SCRATCH, "claviger-older-"));
  const path = join(folder, "store.db");
  const later = {
    id: NEWEST_SCHEMA + 1,
    name: "later",
    statements: [
      "ALTER TABLE projects ADD COLUMN title TEXT",
      "UPDATE projects SET title = upper(name)",
      "CREATE TABLE later (id INTEGER PRIMARY KEY)",
    ],
  };
  const target = openSqliteRestoreTarget(path, { migrations: [...MIGRATIONS, later] });
  const mark = { id: "m", state: "writing", reason: "restored", asOfMs: 1, markedAtMs: 2 } as const;
  await target.begin({ mark, backupId: "b", schema: NEWEST_SCHEMA });
  const columns = ["n", "id", "name", "kek_id", "created_at_ms"];
  const batch = [{ table: "projects", columns, rows: [[3, "p", "shop", "k", 1]] }];
  await target.writeRows({ batch, written: 1 });
  await target.finish();
  await target.close();
  const db = new DatabaseSync(path);
  expect(db.prepare("SELECT n, name, title FROM projects").all()).toEqual([
    { n: 3, name: "shop", title: "SHOP" },
  ]);
  expect(db.prepare("SELECT max(id) AS newest FROM schema_migrations").get()).toEqual({
    newest: NEWEST_SCHEMA + 1,
  });
  db.close();
  rmSync(folder, { recursive: true });
});
