import { DatabaseSync } from "node:sqlite";
import { openSqliteStore } from "../../packages/server/src/store/sqlite-store.ts";
import { storeContract } from "./store/store-contract.ts";

const damage = (path: string, sql: string): void => {
  const db = new DatabaseSync(path, { timeout: 5_000 });
  db.exec(sql);
  db.close();
};

storeContract({
  name: "SQLite in the caller's thread",
  open: (path) => openSqliteStore({ path, threads: "none" }),
  damage,
});
storeContract({
  name: "SQLite in threads",
  open: (path) => openSqliteStore({ path, threads: "own" }),
  damage,
});
