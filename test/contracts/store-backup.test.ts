import { afterAll, beforeAll, describe } from "vitest";
import { openPostgresRestoreTarget } from "../../packages/server/src/store/postgres-restore-target.ts";
import { openPostgresStore } from "../../packages/server/src/store/postgres-store.ts";
import { openSqliteRestoreTarget } from "../../packages/server/src/store/sqlite-restore-target.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite-store.ts";
import type { PostgresServer } from "../postgres/server.ts";
import { startPostgres } from "../postgres/server.ts";
import { isWithout } from "../set-up/without.ts";
import { backupContract } from "./store/backup-contract.ts";

for (const threads of ["none", "own"] as const) {
  backupContract({
    name: threads === "own" ? "SQLite in threads" : "SQLite in the caller's thread",
    open: async (path) => openSqliteStore({ path, threads }),
    target: (path) => openSqliteRestoreTarget(path),
  });
}

describe.skipIf(isWithout("postgresql"))("on a server", () => {
  let server: PostgresServer;

  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
  });

  backupContract({
    name: "PostgreSQL",
    open: async (place) => openPostgresStore(await server.addressOf(place)),
    target: async (place) => openPostgresRestoreTarget(await server.addressOf(place)),
  });
});
