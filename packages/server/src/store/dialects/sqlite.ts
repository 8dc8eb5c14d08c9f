import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from "kysely";
import { Failure, isFailure } from "../../core/errors.ts";
import type { FailureCode } from "../../core/errors.ts";
import type { Definition } from "../migrations/definition.ts";
import type { QueryBuilder, RowUpdate, RowUpdates, Script, Statement, StatementResult } from "../script.ts";
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

/** A statement of a migration in the words of SQLite. */
export function sqliteDefinition(definition: Definition): string {
  return typeof definition === "string" ? definition : definition.sqlite;
}

const PREPARED_LIMIT = 200;

/** One synchronous SQLite connection that runs scripts: WAL, and every commit on disk before it returns. */
export class SqliteConnection {
  readonly #db: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();
  readonly #updates = new WeakMap<RowUpdate, CompiledUpdate>();

  /** @throws Failure of the store's contract when the file cannot be opened or is no database. */
  constructor(path: string, options: { readonly readOnly: boolean }) {
    try {
      this.#db = new DatabaseSync(path, { readOnly: options.readOnly, timeout: 5_000 });
      if (!options.readOnly) {
        this.#db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
        // What is destroyed or dropped is overwritten with zeros, in pages that stay and in pages that become free.
        this.#db.exec("PRAGMA secure_delete = ON;");
      }
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
    if ("hold" in statement) return 0; // BEGIN IMMEDIATE holds everything, and a snapshot of one file misses nothing
    if ("update" in statement) return this.#updateEach(statement);
    const prepared = this.#prepare(statement.sql);
    if (statement.returnsRows) return prepared.all(...(statement.parameters as SQLInputValue[]));
    return Number(prepared.run(...(statement.parameters as SQLInputValue[])).changes);
  }

  #updateEach({ update, rows }: RowUpdates): number {
    let compiled = this.#updates.get(update);
    if (!compiled) this.#updates.set(update, (compiled = compileUpdate(update)));
    const prepared = this.#prepare(compiled.sql);
    let changed = 0;
    for (const row of rows) {
      changed += Number(prepared.run(...compiled.order.map((at) => row[at] as SQLInputValue)).changes);
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

interface CompiledUpdate {
  readonly sql: string;
  /** Which value of a row's list each placeholder takes. */
  readonly order: readonly number[];
}

/** An update as one statement with a placeholder for each use of a value. */
export function compileUpdate({ table, set, where, values }: RowUpdate): CompiledUpdate {
  const order: number[] = [];
  const sql = `UPDATE ${table} SET ${set} WHERE ${where}`.replaceAll(/:(\w+)/g, (_, name: string) => {
    order.push(values.findIndex(([value]) => value === name));
    return "?";
  });
  return { sql, order };
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
