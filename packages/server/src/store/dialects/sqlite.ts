import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from "kysely";
import { Failure, isFailure } from "../../core/errors.ts";
import type { FailureCode } from "../../core/errors.ts";
import type { QueryBuilder, Script, Statement, StatementResult } from "../script.ts";
import type { Tables } from "../tables.ts";

/** Compiles queries for SQLite; nothing is ever run through it. */
export const sqliteQueries: QueryBuilder = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

const PREPARED_LIMIT = 200;

/** One synchronous SQLite connection that runs scripts: WAL, and every commit on disk before it returns. */
export class SqliteConnection {
  readonly #db: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  /** @throws Failure of the store's contract when the file cannot be opened or is no database. */
  constructor(path: string, options: { readonly readOnly: boolean }) {
    try {
      this.#db = new DatabaseSync(path, { readOnly: options.readOnly, timeout: 5_000 });
      if (!options.readOnly) this.#db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
      this.#db.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;");
    } catch (error) {
      throw storeFailure(error);
    }
  }

  /** Runs a script in one write transaction: all of it is on disk when this returns, or none of it is there. */
  write<Result>(script: Script<Result>): Result {
    return this.#transact("BEGIN IMMEDIATE", script);
  }

  /** Runs a script that only reads, on one snapshot. */
  read<Result>(script: Script<Result>): Result {
    return this.#transact("BEGIN", script);
  }

  /** Runs a script that only reads, on the snapshot that the first such call takes and that stands until `close`. */
  readOnSnapshot<Result>(script: Script<Result>): Result {
    try {
      if (!this.#db.isTransaction) this.#db.exec("BEGIN");
      return this.#drive(script);
    } catch (error) {
      throw storeFailure(error);
    }
  }

  close(): void {
    this.#prepared.clear();
    this.#db.close();
  }

  #transact<Result>(begin: "BEGIN" | "BEGIN IMMEDIATE", script: Script<Result>): Result {
    try {
      this.#db.exec(begin);
      const result = this.#drive(script);
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw storeFailure(error);
    }
  }

  #drive<Result>(script: Script<Result>): Result {
    let step = script.next();
    while (!step.done) step = script.next(this.#run(step.value));
    return step.value;
  }

  #run(statement: Statement): StatementResult {
    const prepared = this.#prepare(statement.sql);
    if (statement.returnsRows) return prepared.all(...(statement.parameters as SQLInputValue[]));
    if (!statement.many) return Number(prepared.run(...(statement.parameters as SQLInputValue[])).changes);
    let changed = 0;
    for (const parameters of statement.parameters) {
      changed += Number(prepared.run(...(parameters as SQLInputValue[])).changes);
    }
    return changed;
  }

  #prepare(sql: string): StatementSync {
    let prepared = this.#prepared.get(sql);
    if (!prepared) {
      prepared = this.#db.prepare(sql);
      if (this.#prepared.size >= PREPARED_LIMIT) this.#prepared.clear();
      this.#prepared.set(sql, prepared);
    }
    return prepared;
  }
}

/** SQLite's primary result codes (sqlite.org/rescode.html) and what they mean for the service. */
const RESULT_CODES: Readonly<Record<number, FailureCode>> = {
  5: "store-busy", // SQLITE_BUSY
  6: "store-busy", // SQLITE_LOCKED
  8: "store-read-only", // SQLITE_READONLY
  10: "store-failed", // SQLITE_IOERR
  11: "store-damaged", // SQLITE_CORRUPT
  13: "store-full", // SQLITE_FULL
  14: "store-read-only", // SQLITE_CANTOPEN
  23: "store-read-only", // SQLITE_AUTH
  26: "store-damaged", // SQLITE_NOTADB
};

function storeFailure(error: unknown): unknown {
  if (isFailure(error)) return error;
  const errcode = error instanceof Error && "errcode" in error ? Number(error.errcode) : undefined;
  if (errcode === undefined) return error;
  const code = RESULT_CODES[errcode & 0xff];
  return code ? new Failure(code, undefined, { cause: error }) : error;
}
