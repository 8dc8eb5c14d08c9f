import type { RestoreTarget } from "../core/ports/backup-store.ts";
import { SqliteConnection, sqliteDefinition, sqliteQueries } from "./dialects/sqlite.ts";
import type { MigrateOptions } from "./migrations/migrate.ts";
import { MIGRATIONS, migrate } from "./migrations/migrate.ts";
import { beginRestore, finishRestore, refuseSchema, writeRestoredRows } from "./queries/restores.ts";

/**
 * An SQLite file to be filled from a backup; it is created where it is missing. Everything runs in the caller's thread: a
 * restore serves nobody meanwhile.
 */
export function openSqliteRestoreTarget(
  path: string,
  { migrations = MIGRATIONS }: Pick<MigrateOptions, "migrations"> = {},
): RestoreTarget {
  let opened: SqliteConnection | undefined;
  // Not before something is to be written: what is refused leaves no file.
  const connection = (): SqliteConnection => (opened ??= new SqliteConnection(path, { readOnly: false }));
  return {
    begin: async (input) => {
      refuseSchema(input.schema, migrations);
      return connection().write(
        (function* () {
          yield* migrate(sqliteQueries, sqliteDefinition, {
            migrations,
            upTo: input.schema,
            restoring: true,
          });
          return yield* beginRestore(sqliteQueries, input);
        })(),
      );
    },
    writeRows: async (input) => connection().write(writeRestoredRows(sqliteQueries, input)),
    finish: async () =>
      connection().write(
        (function* () {
          yield* migrate(sqliteQueries, sqliteDefinition, { migrations, restoring: true });
          yield* finishRestore(sqliteQueries);
        })(),
      ),
    close: async () => opened?.close(),
  };
}
