import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { databaseFailure, runInProgress, saidBy } from "./failures.ts";
import { SQLITE, sqliteCode, sqliteFailure } from "./sqlite-failures.ts";

/*
 * One run at a time on a file of SQLite. The lock is an exclusive SQLite transaction on an empty file beside it, which the
 * kernel takes back when the process ends, however it ends. The file stays: to remove it would let two runs lock two files.
 *
 * POSIX record locks fall when any descriptor of the file is closed in the process that holds them: nothing else here opens it.
 */

export class SqliteLock {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** @throws Failure `barbican-run-in-progress`, or one of the port. */
  static take(databasePath: string): SqliteLock {
    const path = `${databasePath}.rewrap-lock`;
    makeFile(path);
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { timeout: 0 });
      database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
      return new SqliteLock(database);
    } catch (error) {
      database?.close();
      if (sqliteCode(error) === SQLITE.BUSY) throw runInProgress(databasePath);
      throw sqliteFailure(error, path);
    }
  }

  release(): void {
    if (this.#database.isOpen) this.#database.close();
  }
}

/** SQLite would make it readable for all. `wx` does not open a file that is there; see above why that matters. */
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
    throw databaseFailure("barbican-database-unsuitable", path, saidBy(error));
  }
}
