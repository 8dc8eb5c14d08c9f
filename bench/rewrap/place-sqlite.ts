import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SqliteConnection } from "../../packages/server/src/store/dialects/sqlite.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite-store.ts";
import { floorRewrap } from "./floor.ts";
import type { RewrapPlace } from "./place.ts";

const SQL = `INSERT INTO keks (id, project_id, fence_id, kcv, wrapped, mk, row_version) VALUES (?, ?, 1, ?, ?, 1, 1)`;
const FILE = "claviger.db";

/** SQLite files in temporary folders. */
export async function sqlitePlace(): Promise<RewrapPlace> {
  const folder = mkdtempSync(join(tmpdir(), "claviger-rewrap-"));
  const path = join(folder, FILE);
  return {
    name: "sqlite",
    openTemplate: async () => openSqliteStore({ path, threads: "none" }),
    fill: async (pages) => {
      const connection = new SqliteConnection(path, { readOnly: false });
      for await (const rows of pages) {
        connection.write(
          (function* () {
            for (const { kekId, projectId, kcv, blob } of rows)
              yield { sql: SQL, parameters: [kekId, projectId, kcv, blob], returnsRows: false };
          })(),
        );
      }
      connection.close();
    },
    openCopy: async () => {
      const copy = mkdtempSync(join(tmpdir(), "claviger-rewrap-"));
      cpSync(folder, copy, { recursive: true });
      const store = openSqliteStore({ path: join(copy, FILE), threads: "own" });
      return {
        store,
        [Symbol.asyncDispose]: async () => {
          await store.close();
          rmSync(copy, { recursive: true });
        },
      };
    },
    floor: async (rows) => floorRewrap({ rows }),
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true }),
  };
}
