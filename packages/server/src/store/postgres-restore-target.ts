import type { PoolClient } from "pg";
import type { RestoreTarget } from "../core/ports/backup-store.ts";
import { isBackupTable } from "./backup-tables.ts";
import { BEGIN, postgresDefinition, postgresQueries } from "./dialects/postgres.ts";
import type { MigrateOptions } from "./migrations/migrate.ts";
import { MIGRATIONS, migrate } from "./migrations/migrate.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { explained, lockDatabase } from "./postgres-place.ts";
import { newPool, runIn, settle } from "./postgres-transactions.ts";
import { beginRestore, finishRestore, refuseSchema, writeRestoredRows } from "./queries/restores.ts";
import type { Script } from "./script.ts";

/**
 * A PostgreSQL database to be filled from a backup. The lock keeps daemons and other restores off it until `close`.
 * @throws Failure as `lockDatabase`.
 */
export async function openPostgresRestoreTarget(
  address: PostgresAddress,
  { migrations = MIGRATIONS }: Pick<MigrateOptions, "migrations"> = {},
): Promise<RestoreTarget> {
  const lock = await lockDatabase(address);
  const pool = newPool(address, 1);
  const hooks = {
    mayCommit: () => lock.mustHold(),
    settle: (client: PoolClient) => settle(address, client),
  };
  const write = async <Result>(script: () => Script<Result>): Promise<Result> => {
    try {
      return await runIn(pool, BEGIN.write, script, hooks);
    } catch (error) {
      throw explained(error, address);
    }
  };
  return {
    begin: async (input) => {
      refuseSchema(input.schema, migrations);
      const begun = await write(function* () {
        yield* migrate(postgresQueries, postgresDefinition, {
          migrations,
          upTo: input.schema,
          restoring: true,
        });
        return yield* beginRestore(postgresQueries, input);
      });
      // A daemon that lost the lock on what was here before finds that it was overtaken.
      await lock.beginTerm();
      return begun;
    },
    writeRows: (input) => write(() => writeRestoredRows(postgresQueries, input)),
    finish: () =>
      write(function* () {
        yield* goOnNumbering();
        yield* migrate(postgresQueries, postgresDefinition, { migrations, restoring: true });
        yield* finishRestore(postgresQueries);
      }),
    close: async () => {
      await pool.end();
      await lock.release();
    },
  };
}

/** Rows bring their numbers along, which the sequences behind them do not notice: each is set behind the highest one. */
function* goOnNumbering(): Script<void> {
  const numbered = (yield {
    sql: `SELECT table_name, column_name FROM information_schema.columns
          WHERE table_schema = current_schema() AND is_identity = 'YES' ORDER BY 1, 2`,
    parameters: [],
    returnsRows: true,
  }) as readonly { table_name: string; column_name: string }[];
  for (const { table_name: table, column_name: column } of numbered.filter((one) =>
    isBackupTable(one.table_name),
  )) {
    yield {
      sql: `SELECT setval(pg_get_serial_sequence('${table}', '${column}'), coalesce(max(${column}), 0) + 1, false) FROM ${table}`,
      parameters: [],
      returnsRows: true,
    };
  }
}
