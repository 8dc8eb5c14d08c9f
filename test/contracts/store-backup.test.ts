import { openSqliteRestoreTarget } from "../../packages/server/src/store/sqlite-restore-target.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite-store.ts";
import { backupContract } from "./store/backup-contract.ts";

for (const threads of ["none", "own"] as const) {
  backupContract({
    name: threads === "own" ? "SQLite in threads" : "SQLite in the caller's thread",
    open: async (path) => openSqliteStore({ path, threads }),
    target: (path) => openSqliteRestoreTarget(path),
  });
}
