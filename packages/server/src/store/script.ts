import type { Kysely } from "kysely";
import type { Tables } from "./tables.ts";

/**
 * A transaction script: a generator that yields statements and is sent their results, written once for every dialect.
 * SQLite runs a script synchronously from BEGIN to COMMIT, so no other request can write in between; a server database
 * awaits each statement on a connection of its own. A script never sees a promise, a unit or a clock.
 */
export type Script<Result> = Generator<Statement, Result, StatementResult>;

export type Statement = Query | RowUpdates | Hold;

export interface Query {
  readonly sql: string;
  readonly parameters: readonly unknown[];
  readonly returnsRows: boolean;
}

/** One UPDATE, done once with each list of values. A dialect decides how: statement by statement, or all at once. */
export interface RowUpdates {
  readonly update: RowUpdate;
  readonly rows: readonly (readonly unknown[])[];
}

/** SQL in which `:name` stands for a value of the row's list. No two lists may mean the same row. */
export interface RowUpdate {
  readonly table: keyof Tables;
  readonly set: string;
  readonly where: string;
  /** The values of a list in their order. */
  readonly values: readonly (readonly [name: string, type: "integer" | "text" | "bytes"])[];
}

/**
 * Holds what the name stands for until the transaction ends: `exclusive` alone, `shared` with others that share. It is
 * yielded in front of the reads that it is to protect. Waiters queue fairly, so a crowd that shares does not starve who
 * wants to be alone. A database whose writers are one at a time anyway answers without doing anything.
 */
export interface Hold {
  readonly hold: string;
  readonly mode: HoldMode;
}

export type HoldMode = "shared" | "exclusive";

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
  return (yield { sql, parameters, returnsRows: true }) as readonly Row[];
}

export function* first<Row>(query: SelectLike<Row>): Script<Row | undefined> {
  return (yield* all(query))[0];
}

/** Runs a statement that writes; returns how many rows it changed. */
export function* run(query: Compilable<unknown>): Script<number> {
  const { sql, parameters } = query.compile();
  return (yield { sql, parameters, returnsRows: false }) as number;
}

/**
 * Does an update once with each list of values; returns how many rows were changed in all. The hot path of
 * re-enciphering: nothing is compiled for a row.
 */
export function* runForEach(update: RowUpdate, rows: readonly (readonly unknown[])[]): Script<number> {
  if (rows.length === 0) return 0;
  return (yield { update, rows }) as number;
}

/** Holds what the name stands for until the transaction ends. */
export function* hold(name: string, mode: HoldMode): Script<void> {
  yield { hold: name, mode };
}
