import { existsSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { isMainThread, workerData } from "node:worker_threads";

/*
 * Loaded into every thread of a daemon before its own code (`--import …?<file>`): while that file is there, the disk of
 * the audit log does what the file says, in the thread that writes it: `stall` until the file is gone, or fail as SQLite
 * does on a disk that is `full` or `read-only`.
 */
const file = decodeURIComponent(new URL(import.meta.url).search.slice(1));
const ERRCODES: Readonly<Record<string, number>> = { "read-only": 8, full: 13 };

if (!isMainThread && "reservePath" in ((workerData ?? {}) as object)) {
  const exec: (this: DatabaseSync, sql: string) => void = Reflect.get(DatabaseSync.prototype, "exec");
  const never = new Int32Array(new SharedArrayBuffer(4));
  DatabaseSync.prototype.exec = function (sql: string): void {
    if (sql === "COMMIT" && existsSync(file)) {
      const what = readFileSync(file, "utf8");
      const errcode = ERRCODES[what];
      if (errcode !== undefined) throw Object.assign(new Error(`the disk is ${what}`), { errcode });
      while (existsSync(file)) Atomics.wait(never, 0, 0, 20);
    }
    exec.call(this, sql);
  };
}
