import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, StatementSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { WriterCall } from "./call-kind.ts";
import { kindOf } from "./call-kind.ts";

/*
 * Loaded into every thread of a daemon before its own code (`--import …?<folder>`): statements of its SQLite store fail.
 * The file `fault` of that folder says which ones (statement-faults.ts): each statement of each kind of write once, from
 * BEGIN to COMMIT, in the thread that writes; or the n-th that the event loop reads by. What failed is noted in `hits`,
 * and what a failed write has left behind, or a failed statement that was not heard of, in `wrong`.
 *
 * - `full`: SQLite itself fails, with SQLITE_FULL, by a statement that is run in place of the one that was to be; the
 *   transaction stays open.
 * - `io`: SQLITE_IOERR, for which SQLite rolls the transaction back by itself (sqlite.org/lang_transaction.html).
 */
const folder = fileURLToPath(new URL(`file://${new URL(import.meta.url).search.slice(1)}`));

const exec: (this: DatabaseSync, sql: string) => void = Reflect.get(DatabaseSync.prototype, "exec");
const prepare: (this: DatabaseSync, sql: string) => StatementSync = Reflect.get(
  DatabaseSync.prototype,
  "prepare",
);
const all: (this: StatementSync) => unknown[] = Reflect.get(StatementSync.prototype, "all");

const IOERR_WRITE = 778;

function fail(db: DatabaseSync, fault: string): never {
  if (fault === "io") {
    if (db.isTransaction) exec.call(db, "ROLLBACK");
    const [code, errstr] = ["ERR_SQLITE_ERROR", "disk I/O error"];
    throw Object.assign(new Error(errstr), { code, errcode: IOERR_WRITE, errstr });
  }
  const [limit] = all.call(prepare.call(db, "PRAGMA max_page_count")) as [{ max_page_count: number }];
  exec.call(db, "PRAGMA max_page_count = 1"); // no less than there are
  try {
    exec.call(db, "CREATE TABLE fault AS SELECT randomblob(1000000) AS more_than_fits");
  } finally {
    exec.call(db, `PRAGMA max_page_count = ${limit.max_page_count}`);
  }
  throw new Error("the disk is not full");
}

function note(file: "hits" | "wrong", line: string): void {
  appendFileSync(join(folder, file), `${line}\n`);
}

interface Order {
  readonly fault: string;
  readonly where: "writes" | "reads";
  /** Of `writes`: another round begins anew. Of `reads`: which one, from when this round began. */
  readonly round: string;
  readonly nth: number;
}

function order(): Order | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, "fault"), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return text === "" ? undefined : (JSON.parse(text) as Order);
}

/** Has every statement of a connection that the store opened pass by `before`. */
function intercept(before: (db: DatabaseSync, sql: string) => void): void {
  const connections = new WeakMap<StatementSync, DatabaseSync>();
  DatabaseSync.prototype.exec = function (sql: string): void {
    if (/^(?:BEGIN|COMMIT)/.test(sql)) before(this, sql);
    exec.call(this, sql);
  };
  DatabaseSync.prototype.prepare = function (sql: string): StatementSync {
    const statement = prepare.call(this, sql);
    connections.set(statement, this);
    return statement;
  };
  for (const name of ["run", "all"] as const) {
    StatementSync.prototype[name] = new Proxy(Reflect.get(StatementSync.prototype, name), {
      apply: (run: never, statement: StatementSync, input: unknown[]): unknown => {
        const db = connections.get(statement);
        if (db) before(db, statement.sourceSQL);
        return Reflect.apply(run, statement, input);
      },
    }) as never;
  }
}

/** Everything that the database holds. */
function contentOf(path: string): string {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = (sql: string) => all.call(prepare.call(db, sql)) as { name: string }[];
    const tables = rows("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
    return JSON.stringify(
      tables.map(({ name }) => [name, rows(`SELECT * FROM "${name}"`)]),
      (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value),
    );
  } finally {
    db.close();
  }
}

const settings = workerData as { readonly path: string; readonly readOnly?: boolean } | null;

if (parentPort && settings?.readOnly === false) {
  const port = parentPort;
  const failed = new Set<string>();
  let round = "";
  let call: { readonly order: Order; readonly kind: string; readonly before: string } | undefined;
  let statements = 0;
  let hit: string | undefined;

  intercept((db, sql) => {
    statements += 1;
    if (!call || hit !== undefined) return;
    const place = `${call.kind} #${statements} ${sql.split(" ", 1)[0]}`;
    if (failed.has(place)) return;
    failed.add(place);
    hit = place;
    note("hits", place);
    fail(db, call.order.fault);
  });

  const on = port.on.bind(port) as (
    event: string,
    listener: (call: WriterCall | "close") => void,
  ) => typeof port;
  const post = port.postMessage.bind(port);
  Object.assign(port, {
    on: (event: string, listener: (call: WriterCall | "close") => void) =>
      on(event, (message) => {
        const now = message === "close" ? undefined : order();
        hit = undefined;
        statements = 0;
        call = undefined;
        if (now?.where === "writes" && message !== "close") {
          if (now.round !== round) failed.clear();
          ({ round } = now);
          call = { order: now, kind: kindOf(message), before: contentOf(settings.path) };
        }
        listener(message);
      }),
    postMessage: (answer: object) => {
      if (call && hit !== undefined) {
        if (!("failure" in answer)) note("wrong", `${hit}: the failure was not heard of`);
        if (contentOf(settings.path) !== call.before) note("wrong", `${hit}: something was left behind`);
      }
      post(answer);
    },
  });
}

if (isMainThread) {
  let round = "";
  let left = 0;
  intercept((db) => {
    const now = order();
    if (now?.where !== "reads") return;
    if (now.round !== round) ({ round, nth: left } = now);
    if (left === 0 || --left > 0) return;
    note("hits", `read #${now.nth}`);
    fail(db, now.fault);
  });
}
