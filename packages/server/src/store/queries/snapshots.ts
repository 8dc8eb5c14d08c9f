import { sql } from "kysely";
import { Failure } from "../../core/errors.ts";
import type { Change } from "../../core/master-key-change/change.ts";
import type { RowCursor, RowValue, StoreSnapshot, TableRows } from "../../core/ports/backup-store.ts";
import { BACKUP_TABLE_NAMES, BACKUP_TABLES, isBackupTable } from "../backup-tables.ts";
import { NEWEST_SCHEMA } from "../migrations/migrate.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, first } from "../script.ts";
import { listChanges } from "./changes.ts";

/** What a snapshot begins with: the schema, and how many rows each table has. */
export function* openingOfSnapshot(db: QueryBuilder): Script<Pick<StoreSnapshot, "schema" | "counts">> {
  const counts: { table: string; rows: number }[] = [];
  for (const table of BACKUP_TABLE_NAMES) {
    const row = yield* first(db.selectFrom(table).select((of) => of.fn.countAll<number>().as("rows")));
    counts.push({ table, rows: row?.rows ?? 0 });
  }
  return { schema: yield* schemaOf(db), counts };
}

/** Number of the newest migration that was done. */
export function* schemaOf(db: QueryBuilder): Script<number> {
  const newest = yield* first(db.selectFrom("schema_migrations").select((of) => of.fn.max("id").as("id")));
  return newest?.id ?? 0;
}

/** The changes that a database tells of, newest first; none where it has another schema than that of this release. */
export function* readToldChanges(db: QueryBuilder): Script<readonly Change[]> {
  if ((yield* schemaOf(db)) !== NEWEST_SCHEMA) return [];
  return (yield* listChanges(db, { limit: 1_000, after: undefined, openOnly: false })).items;
}

/** Rows of one table behind a key, in its order. */
export function* readTableRows(
  db: QueryBuilder,
  input: { table: string; after: RowCursor | undefined; limit: number },
): Script<TableRows & { readonly next: RowCursor | undefined }> {
  const { table, after, limit } = input;
  if (!isBackupTable(table)) throw new Failure("internal", `no backup holds a table ${table}`);
  const keys: readonly string[] = BACKUP_TABLES[table];
  // One name for all, since which table it is does not matter to the form of the query.
  let query = db
    .selectFrom(table as "keks")
    .selectAll()
    .limit(limit);
  for (const key of keys) query = query.orderBy(sql.ref(key));
  if (after !== undefined) {
    const columns = sql.join(keys.map((key) => sql.ref(key)));
    query = query.where(sql<boolean>`(${columns}) > (${sql.join(after)})`);
  }
  const found = (yield* all(query)) as readonly object[] as readonly Readonly<Record<string, RowValue>>[];
  const columns = Object.keys(found[0] ?? {});
  const last = found.length < limit ? undefined : found.at(-1);
  return {
    table,
    columns,
    rows: onOneBuffer(found.map((row) => columns.map((column) => row[column] ?? null))),
    next: last && keys.map((key) => last[key] as string | number),
  };
}

/** The same rows with all their bytes in one buffer: from thread to thread each buffer is copied by itself. */
function onOneBuffer(rows: readonly (readonly RowValue[])[]): TableRows["rows"] {
  const sizeOf = (value: RowValue): number => (value instanceof Uint8Array ? value.byteLength : 0);
  const buffer = new Uint8Array(rows.flat().reduce<number>((sum, value) => sum + sizeOf(value), 0));
  let at = 0;
  const place = (value: RowValue): RowValue => {
    if (!(value instanceof Uint8Array)) return value;
    const view = buffer.subarray(at, (at += value.byteLength));
    view.set(value);
    return view;
  };
  return rows.map((row) => row.map(place));
}
