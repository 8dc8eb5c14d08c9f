import { openSqliteStore } from "../../packages/server/src/store/sqlite-store.ts";
import { storeContract } from "./store-contract.ts";

storeContract({
  name: "SQLite in the caller's thread",
  open: (path) => openSqliteStore({ path, threads: "none" }),
});
storeContract({ name: "SQLite in threads", open: (path) => openSqliteStore({ path, threads: "own" }) });
