import type { Kysely } from "kysely";
import type { Tables } from "./tables.ts";

/**
 * A transaction script: a generator that yields statements and is sent their results, written once for every dialect.
 * SQLite runs a script synchronously from BEGIN to COMMIT, so no other request can write in between; a server database
 * awaits each statement on a connection of its own. A script never sees a promise, a unit or a clock.
 */
export type Script<Result> = Generator<Statement, Result, StatementResult>;

export interface Statement {
  readonly sql: string;
  /** One list of parameters; or several, for a statement that is run once with each. */
  readonly parameters: readonly unknown[];
  readonly many: boolean;
  readonly returnsRows: boolean;
}

/** Rows, or the number of rows that were changed. */
export type StatementResult = readonly unknown[] | number;

/** Builds queries; it cannot run them. */
export type QueryBuilder = Kysely<Tables>;

export interface Compilable<Row> {
  compile(): { readonly sql: string; readonly parameters: readonly unknown[]; readonly rowType?: Row };
}

interface SelectLike<Row> extends Compilable<unknown> {
  execute(): Promise<Row[]>;
}

export function* all<Row>(query: SelectLike<Row>): Script<readonly Row[]> {
  const { sql, parameters } = query.compile();
  return (yield { sql, parameters, many: false, returnsRows: true }) as readonly Row[];
}

export function* first<Row>(query: SelectLike<Row>): Script<Row | undefined> {
  return (yield* all(query))[0];
}

/** Runs a statement that writes; returns how many rows it changed. */
export function* run(query: Compilable<unknown>): Script<number> {
  const { sql, parameters } = query.compile();
  return (yield { sql, parameters, many: false, returnsRows: false }) as number;
}

/**
 * Runs one prepared statement for each list of parameters; returns how many rows were changed in all. The hot path of
 * re-enciphering: the statement is compiled once.
 */
export function* runMany(sql: string, parameters: readonly (readonly unknown[])[]): Script<number> {
  if (parameters.length === 0) return 0;
  return (yield { sql, parameters, many: true, returnsRows: false }) as number;
}
