import { Failure } from "../../core/errors.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, first, run } from "../script.ts";
import type { Definition } from "./definition.ts";
import { foundation } from "./0001-foundation.ts";
import { access } from "./0002-access.ts";
import { keyLifecycle } from "./0003-key-lifecycle.ts";
import { audit } from "./0004-audit.ts";
import { backup } from "./0005-backup.ts";
import { identities } from "./0006-identities.ts";
import { registerGenerations } from "./0007-register-generations.ts";

interface Migration {
  readonly id: number;
  readonly name: string;
  readonly statements: readonly Definition[];
}

/**
 * Migrations in order; a number is never used again. Each is done whole, in the transaction that notes it. They are
 * written once for every dialect (definition.ts).
 */
export const MIGRATIONS: readonly Migration[] = [
  { id: 1, name: "foundation", statements: foundation },
  { id: 2, name: "access", statements: access },
  { id: 3, name: "key-lifecycle", statements: keyLifecycle },
  { id: 4, name: "audit", statements: audit },
  { id: 5, name: "backup", statements: backup },
  { id: 6, name: "identities", statements: identities },
  { id: 7, name: "register-generations", statements: registerGenerations },
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
export function* migrate(
  db: QueryBuilder,
  translate: (definition: Definition) => string,
  options: MigrateOptions = {},
): Script<number> {
  const { migrations = MIGRATIONS, upTo = Number.MAX_SAFE_INTEGER, restoring = false } = options;
  yield define(
    translate("CREATE TABLE IF NOT EXISTS schema_migrations (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"),
  );
  const done = new Set((yield* all(db.selectFrom("schema_migrations").select("id"))).map(({ id }) => id));
  const newest = Math.max(0, ...done);
  const known = Math.max(...migrations.map(({ id }) => id));
  if (newest > known) {
    throw new Failure("store-newer", `the database has schema ${newest}; this release knows ${known}`);
  }
  if (!restoring && done.has(FIRST_WITH_MARKS)) yield* refuseHalfRestored(db);
  const missing = migrations.filter(({ id }) => !done.has(id) && id <= upTo);
  for (const { id, name, statements } of missing) {
    for (const statement of statements) yield define(translate(statement));
    yield* run(db.insertInto("schema_migrations").values({ id, name }));
  }
  return missing.length;
}

function* refuseHalfRestored(db: QueryBuilder): Script<void> {
  const mark = yield* first(db.selectFrom("rollback_marks").select("reason").where("state", "=", "writing"));
  if (mark)
    throw new Failure("restore-incomplete", `the database is being ${mark.reason}, and is not complete`);
}

function define(statement: string) {
  return { sql: statement, parameters: [], returnsRows: false };
}
