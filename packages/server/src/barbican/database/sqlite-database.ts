import { realpathSync, statSync } from "node:fs";
import type { SQLInputValue, StatementSync } from "node:sqlite";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import type {
  BarbicanDatabase,
  KekChange,
  KekRow,
  SecretRow,
} from "../../core/barbican/barbican-database.ts";
import { databaseFailure, saidBy } from "./failures.ts";
import type { SecretRecord } from "./p11-rows.ts";
import {
  KEK_COLUMNS,
  P11_PLUGIN,
  PLUGIN_OF_SECRET,
  SECRET_COLUMNS,
  PROJECT_OF_KEK,
  secretRow,
} from "./p11-rows.ts";
import { sqliteFailure } from "./sqlite-failures.ts";
import { SqliteLock } from "./sqlite-lock.ts";

/*
 * A Barbican on SQLite, which goes on writing to the same file.
 *
 * - The file must be there, and keeps its journal mode. A batch is one transaction, on the disk when it ends
 *   (synchronous = FULL).
 * - SQLite works in this thread: a call takes as long as its rows, and while Barbican writes up to BUSY_MS more.
 * - Rows of `kek_data` are read in the order of their rowids, in which they lie in the file: a batch of writes then touches
 *   pages that are neighbours, and not one for each row. The cache holds them and the index of ids: SQLite writes and syncs
 *   in the middle of a transaction when it is full.
 * - SQLAlchemy may have stored text as bytes (`cypher_text` is handed to it so): each is read as text, and compared as bytes.
 */

const BUSY_MS = 10_000;
const CACHE_KIB = 64 * 1024;

const SQL = {
  // The place of a row that has been removed is given beside its id.
  kekRows: `SELECT k.rowid, ${asText(KEK_COLUMNS, "k.plugin_meta")} FROM kek_data AS k
    WHERE k.plugin_name = ? AND k.rowid > coalesce((SELECT rowid FROM kek_data WHERE id = ?), ?) ORDER BY k.rowid LIMIT ?`,
  projectOf: `${PROJECT_OF_KEK} ?`,
  countKekRows: "SELECT count(*) AS n FROM kek_data WHERE plugin_name = ?",
  replace: `UPDATE kek_data SET plugin_meta = ?, updated_at = ?
    WHERE id = ? AND CAST(plugin_meta AS BLOB) = CAST(? AS BLOB)`,
  secretRows: `SELECT ${asText(SECRET_COLUMNS, "e.cypher_text")}
    FROM encrypted_data AS e
    WHERE ${PLUGIN_OF_SECRET} = ? AND e.id > ? ORDER BY e.id LIMIT ?`,
  countSecretRows: `SELECT count(*) AS n FROM encrypted_data AS e JOIN kek_data AS k ON k.id = e.kek_id
    WHERE k.plugin_name = ?`,
} as const;

type Statements = Readonly<Record<keyof typeof SQL, StatementSync>>;

export class SqliteDatabase implements BarbicanDatabase {
  readonly facts: BarbicanDatabase["facts"];
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  /** The last row of the last page of `kek_data`. */
  #pageEnd: { readonly id: string; readonly place: number } | undefined;
  #lock: SqliteLock | undefined;

  private constructor(path: string, database: DatabaseSync) {
    this.#path = path;
    this.#database = database;
    database.exec(`PRAGMA synchronous = FULL; PRAGMA cache_size = -${CACHE_KIB}`);
    this.#statements = Object.fromEntries(
      Object.entries(SQL).map(([name, sql]) => [name, database.prepare(sql)]),
    ) as Statements;
    this.#statements.kekRows.setReturnArrays(true);
    const { version } = database.prepare("SELECT sqlite_version() AS version").get() as { version: string };
    this.facts = { kind: "SQLite", version };
  }

  /** @throws Failure of the port. */
  static open(path: string): SqliteDatabase {
    const file = realPath(path);
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(new URL(`${pathToFileURL(file).href}?mode=rw`), { timeout: BUSY_MS });
      return new SqliteDatabase(file, database);
    } catch (error) {
      database?.close();
      throw sqliteFailure(error, path);
    }
  }

  async kekRows(after: string | null, limit: number): Promise<readonly KekRow[]> {
    const removed = this.#pageEnd?.id === after ? this.#pageEnd.place : BEFORE_ALL;
    const rows = this.#all<KekRecord>("kekRows", P11_PLUGIN, after, removed, limit);
    const [place, id] = rows.at(-1) ?? [];
    if (place !== undefined && id !== undefined) this.#pageEnd = { id, place };
    return rows.map(([, id, pluginMeta, active, deleted]) => ({
      id,
      pluginMeta,
      isActive: active !== 0,
      isDeleted: deleted !== 0,
    }));
  }

  async projectOf(kekId: string): Promise<string | null> {
    const [row] = this.#all<{ readonly external_id: string | null }>("projectOf", kekId);
    return row?.external_id ?? null;
  }

  async countKekRows(): Promise<number> {
    return this.#count("countKekRows");
  }

  async replace(changes: readonly KekChange[]): Promise<ReadonlySet<string>> {
    const now = sqlAlchemyTime(new Date());
    return this.#write(() => {
      const written = new Set<string>();
      for (const { id, from, to } of changes)
        if (this.#statements.replace.run(to, now, id, from).changes === 1) written.add(id);
      return written;
    });
  }

  async secretRows(after: string | null, limit: number): Promise<readonly SecretRow[]> {
    const rows = this.#all<SecretRecord>("secretRows", P11_PLUGIN, after ?? "", limit);
    return rows.map(secretRow);
  }

  async countSecretRows(): Promise<number> {
    return this.#count("countSecretRows");
  }

  /** Proves that the file can be written, too. */
  async lockOutOthers(): Promise<void> {
    this.#lock ??= SqliteLock.take(this.#path);
    this.#write(() => this.#statements.replace.run("", "", "", ""));
  }

  async close(): Promise<void> {
    this.#lock?.release();
    this.#database.close();
  }

  #all<Row>(name: "kekRows" | "projectOf" | "secretRows", ...values: SQLInputValue[]): Row[] {
    return this.#guarded(() => this.#statements[name].all(...values) as Row[]);
  }

  #count(name: "countKekRows" | "countSecretRows"): number {
    return this.#guarded(() => (this.#statements[name].get(P11_PLUGIN) as { readonly n: number }).n);
  }

  #write<Result>(write: () => Result): Result {
    return this.#guarded(() => {
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        const result = write();
        this.#database.exec("COMMIT");
        return result;
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
        throw error;
      }
    });
  }

  #guarded<Result>(call: () => Result): Result {
    try {
      return call();
    } catch (error) {
      throw sqliteFailure(error, this.#path);
    }
  }
}

/** Rowids may be negative where somebody has given them. */
const BEFORE_ALL = Number.MIN_SAFE_INTEGER;

/** Of a million rows arrays are read faster than objects. */
type KekRecord = readonly [
  rowid: number,
  id: string,
  pluginMeta: string | null,
  active: number,
  deleted: number,
];

/** Where links lead to, so that two names of one file have one lock. */
function realPath(path: string): string {
  try {
    const real = realpathSync(path);
    if (statSync(real).isFile()) return real;
  } catch (error) {
    throw databaseFailure("barbican-database-unsuitable", path, saidBy(error));
  }
  throw databaseFailure("barbican-database-unsuitable", path, "it is no file");
}

/** How SQLAlchemy stores a time in SQLite (lib/sqlalchemy/dialects/sqlite/base.py, DATETIME). */
function sqlAlchemyTime(time: Date): string {
  return time.toISOString().replace("T", " ").replace("Z", "000");
}

/** A list of columns of which one is read as text, whatever it was stored as. */
function asText(columns: string, name: string): string {
  return columns.replace(name, `CAST(${name} AS TEXT) AS ${name.split(".").at(-1)}`);
}
