import { existsSync } from "node:fs";
import type { Change } from "../core/master-key-change/change.ts";
import type { SnapshotStore } from "../core/ports/backup-store.ts";
import type { Store } from "../core/ports/store.ts";
import { SqliteConnection, sqliteDefinition, sqliteQueries } from "./dialects/sqlite.ts";
import { migrate } from "./migrations/migrate.ts";
import { readToldChanges } from "./queries/snapshots.ts";
import { ScriptRunner } from "./script-runner.ts";
import type { ScriptName } from "./scripts.ts";
import { scriptNamed, storeOfScripts } from "./scripts.ts";
import { openSqliteSnapshot } from "./sqlite-snapshot.ts";

export interface SqliteStoreOptions {
  readonly path: string;
  /**
   * `own`: commits in a thread of their own, scans in another. `none`: everything in the caller's thread, which tests
   * of interleavings need.
   */
  readonly threads: "own" | "none";
}

/** Whether there is a database, or anything else, at the path: an empty file is a damaged database. */
export function sqliteIsThere(path: string): boolean {
  return existsSync(path);
}

/**
 * The store on one SQLite file. It is created and migrated when it is opened.
 * @throws Failure of the store's contract, `store-newer` or `restore-incomplete`.
 */
export function openSqliteStore(options: SqliteStoreOptions): Store & SnapshotStore {
  const first = new SqliteConnection(options.path, { readOnly: false });
  first.write(migrate(sqliteQueries, sqliteDefinition));
  const calls = options.threads === "own" ? threadedCalls(options.path, first) : inlineCalls(first);
  return {
    ...storeOfScripts(
      (name, input) => calls.run(name, input),
      () => calls.close(),
    ),
    openSnapshot: () => openSqliteSnapshot(options.path, options.threads),
  };
}

/** What `readToldChanges` finds in a file, without writing to it. @throws Failure of the store's contract. */
export function readChangesOf(path: string): readonly Change[] {
  const connection = new SqliteConnection(path, { readOnly: true });
  try {
    return connection.read(readToldChanges(sqliteQueries));
  } finally {
    connection.close();
  }
}

interface Calls {
  run(name: ScriptName, input: unknown): Promise<unknown>;
  close(): Promise<void>;
}

function inlineCalls(connection: SqliteConnection): Calls {
  return {
    run: async (name, input) => runHere(connection, name, input),
    close: async () => connection.close(),
  };
}

function threadedCalls(path: string, migrated: SqliteConnection): Calls {
  migrated.close();
  const writer = new ScriptRunner({ path, readOnly: false });
  const scanner = new ScriptRunner({ path, readOnly: true });
  const reader = new SqliteConnection(path, { readOnly: true });
  return {
    run: async (name, input) => {
      const { kind } = scriptNamed(name);
      if (kind === "read") return runHere(reader, name, input);
      return await (kind === "write" ? writer : scanner).run(name, input);
    },
    close: async () => {
      reader.close();
      await scanner.close();
      await writer.close(); // the last, for it may write: it folds the log back into the file
    },
  };
}

function runHere(connection: SqliteConnection, name: ScriptName, input: unknown): unknown {
  const { kind, script } = scriptNamed(name);
  const run = script(sqliteQueries, input as never);
  return kind === "write" ? connection.write(run) : connection.read(run);
}
