import { sql } from "kysely";
import { Failure } from "../../core/errors.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { first, run } from "../script.ts";
import type { Definition } from "./definition.ts";
import { foundation } from "./0001-foundation.ts";
import { access } from "./0002-access.ts";

/**
 * Migrations in order; a number is never used again. Each is done whole, in the transaction that notes it. They are
 * written once for every dialect (definition.ts).
 */
const MIGRATIONS: readonly {
  readonly id: number;
  readonly name: string;
  readonly statements: readonly Definition[];
}[] = [
  { id: 1, name: "foundation", statements: foundation },
  { id: 2, name: "access", statements: access },
];

/**
 * Brings a database to the newest schema. Returns how many migrations were done.
 * @throws Failure `store-newer` when a newer release wrote it.
 */
export function* migrate(db: QueryBuilder, translate: (definition: Definition) => string): Script<number> {
  yield define(
    translate("CREATE TABLE IF NOT EXISTS schema_migrations (id INTEGER PRIMARY KEY, name TEXT NOT NULL)"),
  );
  const row = yield* first(
    db.selectFrom("schema_migrations").select(sql<number>`coalesce(max(id), 0)`.as("newest")),
  );
  const newest = row?.newest ?? 0;
  if (newest > MIGRATIONS.length) {
    throw new Failure(
      "store-newer",
      `the database has schema ${newest}; this release knows ${MIGRATIONS.length}`,
    );
  }
  const missing = MIGRATIONS.filter((migration) => migration.id > newest);
  for (const { id, name, statements } of missing) {
    for (const statement of statements) yield define(translate(statement));
    yield* run(db.insertInto("schema_migrations").values({ id, name }));
  }
  return missing.length;
}

function define(statement: string) {
  return { sql: statement, parameters: [], returnsRows: false };
}
