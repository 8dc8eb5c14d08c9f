import { Failure } from "../../core/errors.ts";
import type { Script } from "../script.ts";
import { foundation } from "./0001-foundation.ts";
import { backup } from "./0005-backup.ts";

interface Migration {
  readonly id: number;
  readonly name: string;
  readonly statements: readonly string[];
}

/** Migrations in order; a number is never used again. Each is done whole, in the transaction that notes it. */
export const MIGRATIONS: readonly Migration[] = [
  { id: 1, name: "foundation", statements: foundation },
  { id: 5, name: "backup", statements: backup },
];

export const NEWEST_SCHEMA = Math.max(...MIGRATIONS.map(({ id }) => id));

/** The first schema that knows of backups: every backup has it or a later one. */
export const FIRST_WITH_MARKS = 5;

export interface MigrateOptions {
  /** Only migrations up to this number: what a backup of that schema is restored into. */
  readonly upTo?: number;
  /** True for the restore itself, which alone may open what it has not completed. */
  readonly restoring?: boolean;
  /** Other migrations than those of the release, for tests. */
  readonly migrations?: readonly Migration[];
}

/**
 * Brings a database to the newest schema. Returns how many migrations were done.
 * @throws Failure `store-newer` when a newer release wrote it, `restore-incomplete` when a restore into it was interrupted.
 */
export function* migrate(options: MigrateOptions = {}): Script<number> {
  const { migrations = MIGRATIONS, upTo = Number.MAX_SAFE_INTEGER, restoring = false } = options;
  yield write("CREATE TABLE IF NOT EXISTS schema_migrations (id INTEGER PRIMARY KEY, name TEXT NOT NULL)");
  const rows = yield* read<{ id: number }>("SELECT id FROM schema_migrations");
  const done = new Set(rows.map(({ id }) => id));
  const newest = Math.max(0, ...done);
  const known = Math.max(...migrations.map(({ id }) => id));
  if (newest > known) {
    throw new Failure("store-newer", `the database has schema ${newest}; this release knows ${known}`);
  }
  if (!restoring && done.has(FIRST_WITH_MARKS)) yield* refuseHalfRestored();
  const missing = migrations.filter(({ id }) => !done.has(id) && id <= upTo);
  for (const { id, name, statements } of missing) {
    for (const sql of statements) yield write(sql);
    yield write("INSERT INTO schema_migrations (id, name) VALUES (?, ?)", id, name);
  }
  return missing.length;
}

function* refuseHalfRestored(): Script<void> {
  const [mark] = yield* read<{ reason: string }>("SELECT reason FROM rollback_marks WHERE state = 'writing'");
  if (mark)
    throw new Failure("restore-incomplete", `the database is being ${mark.reason}, and is not complete`);
}

function* read<Row>(sql: string): Script<readonly Row[]> {
  return (yield { sql, parameters: [], many: false, returnsRows: true }) as readonly Row[];
}

function write(sql: string, ...parameters: readonly unknown[]) {
  return { sql, parameters, many: false, returnsRows: false };
}
