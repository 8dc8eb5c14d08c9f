import { Failure } from "../../core/errors.ts";
import { databaseFailure, notBarbicans, saidBy } from "./failures.ts";
import type { DatabaseTrouble } from "./failures.ts";

/** Primary result codes of SQLite (https://sqlite.org/rescode.html). */
export const SQLITE = {
  ERROR: 1,
  PERM: 3,
  BUSY: 5,
  LOCKED: 6,
  READONLY: 8,
  IOERR: 10,
  FULL: 13,
  CANTOPEN: 14,
  AUTH: 23,
  NOTADB: 26,
} as const;

const TROUBLES: Readonly<Record<number, DatabaseTrouble>> = {
  [SQLITE.PERM]: "barbican-database-unsuitable",
  [SQLITE.BUSY]: "barbican-database-failed",
  [SQLITE.LOCKED]: "barbican-database-failed",
  [SQLITE.READONLY]: "barbican-database-unsuitable",
  [SQLITE.IOERR]: "barbican-database-failed",
  [SQLITE.FULL]: "barbican-database-failed",
  [SQLITE.CANTOPEN]: "barbican-database-unsuitable",
  [SQLITE.AUTH]: "barbican-database-unsuitable",
  [SQLITE.NOTADB]: "barbican-database-unsuitable",
};

/** The primary result code of what node:sqlite throws; undefined if it is something else. */
export function sqliteCode(error: unknown): number | undefined {
  const { errcode } = error as { readonly errcode?: unknown };
  return typeof errcode === "number" ? errcode & 0xff : undefined;
}

/** As a Failure of the port. A defect stays what it is. */
export function sqliteFailure(error: unknown, path: string): unknown {
  const code = sqliteCode(error);
  if (error instanceof Failure || code === undefined) return error;
  const said = saidBy(error);
  if (code === SQLITE.ERROR && /^no such (table|column)/.test(said)) return notBarbicans(path, said);
  return databaseFailure(TROUBLES[code] ?? "barbican-database-failed", path, said);
}
