import { Failure } from "../../core/errors.ts";
import type { RestoreTarget, RowValue, TableRows } from "../../core/ports/backup-store.ts";
import { BACKUP_TABLE_NAMES, isBackupTable } from "../backup-tables.ts";
import type { MigrateOptions } from "../migrations/migrate.ts";
import { FIRST_WITH_MARKS } from "../migrations/migrate.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { first, hold, run } from "../script.ts";
import { schemaOf } from "./snapshots.ts";

type Begin = Parameters<RestoreTarget["begin"]>[0];
type Begun = Awaited<ReturnType<RestoreTarget["begin"]>>;

/** Tables of which one row says that somebody uses the store; others may have rows that a migration put there. */
const IN_USE = ["fences", "units", "projects", "principals", "rollback_marks"] as const;

/** Rows of one statement: below the limits of parameters of every dialect. */
const ROWS_OF_A_STATEMENT = 100;

/** What the transactions of restores hold, so that each sees what came of the one before. */
const RESTORE = "restore";

/** @throws Failure `backup-newer` for a schema that this release does not know, `backup-damaged` for one of no backup. */
export function refuseSchema(schema: number, migrations: NonNullable<MigrateOptions["migrations"]>): void {
  const known = Math.max(...migrations.map(({ id }) => id));
  if (schema > known)
    throw new Failure("backup-newer", `the backup has schema ${schema}; this release knows ${known}`);
  if (schema < FIRST_WITH_MARKS)
    throw new Failure("backup-damaged", `no release made backups of schema ${schema}`);
}

/**
 * Marks an empty store as being written, or finds how far a restore of the same backup came. The schema is there. A batch
 * of a restore that has just died may be committed yet; what is read here is what came of it.
 */
export function* beginRestore(db: QueryBuilder, input: Begin): Script<Begun> {
  yield* hold(RESTORE, "exclusive");
  const unfinished = yield* first(db.selectFrom("rollback_marks").selectAll().where("state", "=", "writing"));
  if (unfinished && unfinished.backup_id !== input.backupId)
    throw new Failure(
      "restore-incomplete",
      `the database holds a part of another backup: it was being ${unfinished.reason}`,
    );
  if (unfinished) return { resumed: unfinished.rows_written };
  // Rows of an older schema do not fit into a newer one: a store that has that was opened by a daemon.
  if ((yield* schemaOf(db)) !== input.schema) throw new Failure("store-not-empty");
  for (const table of IN_USE) {
    if (yield* first(db.selectFrom(table).selectAll().limit(1))) throw new Failure("store-not-empty");
  }
  for (const table of BACKUP_TABLE_NAMES) yield* run(db.deleteFrom(table));
  const { mark, backupId } = input;
  yield* run(
    db.insertInto("rollback_marks").values({
      id: mark.id,
      state: "writing",
      reason: mark.reason,
      as_of_ms: mark.asOfMs ?? null,
      backup_id: backupId,
      rows_written: 0,
      marked_at_ms: mark.markedAtMs,
    }),
  );
  return { resumed: 0 };
}

export function* writeRestoredRows(
  db: QueryBuilder,
  input: { batch: readonly TableRows[]; written: number },
): Script<void> {
  yield* hold(RESTORE, "exclusive");
  const noted = yield* run(
    db.updateTable("rollback_marks").set({ rows_written: input.written }).where("state", "=", "writing"),
  );
  if (noted !== 1) throw new Failure("internal", "no restore was begun");
  for (const rows of input.batch) yield* insert(db, rows);
}

function* insert(db: QueryBuilder, { table, columns, rows }: TableRows): Script<void> {
  if (!isBackupTable(table))
    throw new Failure("backup-damaged", `the backup holds a table ${table}, which its schema has not`);
  for (let at = 0; at < rows.length; at += ROWS_OF_A_STATEMENT) {
    const values = rows
      .slice(at, at + ROWS_OF_A_STATEMENT)
      .map((row) =>
        Object.fromEntries(columns.map((column, i): [string, RowValue] => [column, row[i] ?? null])),
      );
    yield* run(db.insertInto(table).values(values));
  }
}

/** The store is whole: the mark stands until somebody accepts it. */
export function* finishRestore(db: QueryBuilder): Script<void> {
  yield* run(db.updateTable("rollback_marks").set({ state: "standing" }).where("state", "=", "writing"));
}
