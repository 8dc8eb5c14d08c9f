import { Failure } from "../../core/errors.ts";
import type { Script } from "../script.ts";
import { foundation } from "./0001-foundation.ts";
import { access } from "./0003-access.ts";
import { identities } from "./0006-identities.ts";

/** Migrations in order; a number is never used again. Each is done whole, in the transaction that notes it. */
const MIGRATIONS: readonly {
  readonly id: number;
  readonly name: string;
  readonly statements: readonly string[];
}[] = [
  { id: 1, name: "foundation", statements: foundation },
  { id: 2, name: "access", statements: access },
  { id: 3, name: "identities", statements: identities },
];

/**
 * Brings a database to the newest schema. Returns how many migrations were done.
 * @throws Failure `store-newer` when a newer release wrote it.
 */
export function* migrate(): Script<number> {
  yield write("CREATE TABLE IF NOT EXISTS schema_migrations (id INTEGER PRIMARY KEY, name TEXT NOT NULL)");
  const rows = (yield {
    sql: "SELECT coalesce(max(id), 0) AS newest FROM schema_migrations",
    parameters: [],
    many: false,
    returnsRows: true,
  }) as readonly { newest: number }[];
  const newest = rows[0]?.newest ?? 0;
  if (newest > MIGRATIONS.length) {
    throw new Failure(
      "store-newer",
      `the database has schema ${newest}; this release knows ${MIGRATIONS.length}`,
    );
  }
  const missing = MIGRATIONS.filter((migration) => migration.id > newest);
  for (const { id, name, statements } of missing) {
    for (const sql of statements) yield write(sql);
    yield write("INSERT INTO schema_migrations (id, name) VALUES (?, ?)", id, name);
  }
  return missing.length;
}

function write(sql: string, ...parameters: readonly unknown[]) {
  return { sql, parameters, many: false, returnsRows: false };
}
