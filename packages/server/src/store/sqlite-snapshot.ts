import type { StoreSnapshot } from "../core/ports/backup-store.ts";
import { SqliteConnection, sqliteQueries } from "./dialects/sqlite.ts";
import { ScriptRunner } from "./script-runner.ts";
import type { ScriptName } from "./scripts.ts";
import { scriptNamed } from "./scripts.ts";

/**
 * A snapshot of an SQLite file: one read transaction on a connection of its own, in a thread of its own or in the
 * caller's. While it stands, the write-ahead log is not folded back, and grows by what is written meanwhile.
 */
export async function openSqliteSnapshot(path: string, threads: "own" | "none"): Promise<StoreSnapshot> {
  const calls = threads === "own" ? threadedCalls(path) : inlineCalls(path);
  // A call through a script has the types of that script; StoreSnapshot states them.
  const call =
    (name: ScriptName) =>
    (input: unknown): Promise<never> =>
      calls.run(name, input) as Promise<never>;
  try {
    const { schema, counts } = await call("openingOfSnapshot")({});
    return {
      schema,
      counts,
      readRows: call("readTableRows"),
      readKek: call("readKek"),
      listFences: call("listFences"),
      listChanges: call("listChanges"),
      census: call("census"),
      [Symbol.asyncDispose]: () => calls.close(),
    };
  } catch (error) {
    await calls.close();
    throw error;
  }
}

interface Calls {
  run(name: ScriptName, input: unknown): Promise<unknown>;
  close(): Promise<void>;
}

function threadedCalls(path: string): Calls {
  const runner = new ScriptRunner({ path, readOnly: true, snapshot: true });
  return { run: (name, input) => runner.run(name, input), close: () => runner.close() };
}

function inlineCalls(path: string): Calls {
  const connection = new SqliteConnection(path, { readOnly: true });
  return {
    run: async (name, input) =>
      connection.readOnSnapshot(scriptNamed(name).script(sqliteQueries, input as never)),
    close: async () => connection.close(),
  };
}
