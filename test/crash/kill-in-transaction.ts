import { DatabaseSync, StatementSync } from "node:sqlite";
import { isMainThread } from "node:worker_threads";

/*
 * Loaded into every thread of a daemon before its own code (`--import`): the process gets SIGKILL in the thread that
 * writes, in the midst of a transaction, behind the n-th statement that writes, or right before or after the n-th COMMIT.
 * Which one stands behind the name of this file, as threads are given it too: `?statement:n`, `?commit:n`, `?committed:n`.
 */
const [what = "", nth = ""] = new URL(import.meta.url).search.slice(1).split(":");
let left = Number(nth);

function dieAt(event: string): void {
  if (event !== what || --left > 0) return;
  process.kill(process.pid, "SIGKILL");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_000);
}

if (!isMainThread) {
  const writing = new WeakSet<DatabaseSync>();
  const exec: (this: DatabaseSync, sql: string) => void = Reflect.get(DatabaseSync.prototype, "exec");
  DatabaseSync.prototype.exec = function (sql: string): void {
    if (sql === "BEGIN IMMEDIATE") writing.add(this);
    const commits = sql === "COMMIT" && writing.has(this);
    if (commits) dieAt("commit");
    exec.call(this, sql);
    if (!commits) return;
    writing.delete(this);
    dieAt("committed");
  };
  StatementSync.prototype.run = new Proxy(Reflect.get(StatementSync.prototype, "run"), {
    apply: (run, statement: unknown, input: unknown[]): unknown => {
      const result: unknown = Reflect.apply(run, statement, input);
      dieAt("statement");
      return result;
    },
  });
}
