import type { SnapshotStore } from "../../../packages/server/src/core/ports/backup-store.ts";
import type { Store } from "../../../packages/server/src/core/ports/store.ts";

/** A table as tests compare it: bytes are hex. */
export interface AllRows {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}

/** Every row that a backup of the store would hold, but for the marks of restores; then the store is closed. */
export async function rowsOf(store: Store & SnapshotStore): Promise<AllRows[]> {
  const tables: AllRows[] = [];
  {
    await using snapshot = await store.openSnapshot();
    for (const { table, rows: limit } of snapshot.counts) {
      if (table === "rollback_marks" || limit === 0) continue;
      const { columns, rows } = await snapshot.readRows({ table, after: undefined, limit });
      const shown = rows.map((row) =>
        row.map((value) => (value instanceof Uint8Array ? value.toHex() : value)),
      );
      tables.push({ table, columns, rows: shown });
    }
  }
  await store.close();
  return tables;
}
