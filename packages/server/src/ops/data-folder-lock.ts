import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Failure } from "../core/errors.ts";
import { failureOfFile } from "./data-folder.ts";

/*
 * One daemon a data folder. The lock is an exclusive SQLite transaction on <data>/daemon.lock, which the kernel takes
 * back when the process ends, however it ends; there is nothing to clean up after a SIGKILL. <data>/daemon.pid only
 * serves the message.
 *
 * POSIX record locks fall when any descriptor of the file is closed in the process that holds them. So nothing else in
 * this process may ever open daemon.lock: no backup, no copy, no check.
 */

export interface DataFolderLock extends Disposable {
  /** Gives the folder free. May be called again. */
  release(): void;
}

/** Takes the folder for this process. Throws Failure `data-folder-in-use` if another daemon has it. */
export function lockDataFolder(folder: string): DataFolderLock {
  const path = join(folder, "daemon.lock");
  const pidPath = join(folder, "daemon.pid");
  makeLockFile(path);
  const database = openExclusively(path, pidPath);
  try {
    writeFileSync(pidPath, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    database.close();
    throw failureOfFile(error, pidPath);
  }
  const release = (): void => {
    if (!database.isOpen) return;
    rmSync(pidPath, { force: true });
    database.close();
  };
  return { release, [Symbol.dispose]: release };
}

/** SQLite would make the file readable for all. `wx` does not open a file that is there; see above why that matters. */
function makeLockFile(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw failureOfFile(error, path);
  }
}

function openExclusively(path: string, pidPath: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    return database;
  } catch (error) {
    database?.close();
    throw failureOfLock(error, path, pidPath);
  }
}

/** Primary result codes of SQLite (https://sqlite.org/rescode.html). */
const SQLITE = { BUSY: 5, READONLY: 8, FULL: 13, CANTOPEN: 14, NOTADB: 26 } as const;

function failureOfLock(error: unknown, path: string, pidPath: string): Error {
  const { errcode } = error as { readonly errcode?: unknown };
  const options = { field: path, cause: error };
  switch (typeof errcode === "number" ? errcode & 0xff : undefined) {
    case SQLITE.BUSY:
      return new Failure(
        "data-folder-in-use",
        `Another daemon${pidNote(pidPath)} uses the data folder ${dirname(path)}.`,
        options,
      );
    case SQLITE.READONLY:
      return new Failure("store-read-only", `${path} cannot be written.`, options);
    case SQLITE.FULL:
      return new Failure("store-full", `${path} is on a disk that is full.`, options);
    case SQLITE.CANTOPEN:
      return new Failure("data-folder-unusable", `${path} cannot be opened.`, options);
    case SQLITE.NOTADB:
      return new Failure(
        "data-folder-unusable",
        `${path} is not the lock file of a daemon; remove it.`,
        options,
      );
    default:
      return failureOfFile(error, path);
  }
}

function pidNote(pidPath: string): string {
  try {
    const pid = /^(\d{1,10})\n$/.exec(readFileSync(pidPath, "utf8"))?.[1];
    return pid === undefined ? "" : ` (process ${pid})`;
  } catch (error) {
    // The holder has just taken the lock, or is just leaving.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw failureOfFile(error, pidPath);
  }
}
