import type { BarbicanDatabase, KekRow } from "./barbican-database.ts";
import type { ReadRow, RowState } from "./read-row.ts";
import { everyPage } from "./pages.ts";
import { readRow, stateOf } from "./read-row.ts";

/** How many rows are under the same two labels and mechanism, in the same state. */
export interface CensusLine {
  /** null, as the other two: the row has no key, or it cannot be read. */
  readonly mkekLabel: string | null;
  readonly hmacLabel: string | null;
  readonly mechanism: string | null;
  readonly state: RowState | "unbound" | "unreadable";
  readonly rows: number;
}

/** Counts rows as they are read. */
export class Census {
  readonly #lines = new Map<string, Omit<CensusLine, "rows"> & { rows: number }>();

  add(row: KekRow, read: ReadRow): void {
    const line = lineOf(row, read);
    const name = `${line.mkekLabel}\0${line.hmacLabel}\0${line.mechanism}\0${line.state}`;
    const counted = this.#lines.get(name);
    if (counted) counted.rows += 1;
    else this.#lines.set(name, { ...line, rows: 1 });
  }

  /** The most rows first. */
  lines(): readonly CensusLine[] {
    return [...this.#lines.values()].map((line) => ({ ...line })).toSorted((a, b) => b.rows - a.rows);
  }
}

function lineOf(row: KekRow, read: ReadRow): Omit<CensusLine, "rows"> {
  if (read === "unbound" || "unreadable" in read)
    return {
      mkekLabel: null,
      hmacLabel: null,
      mechanism: null,
      state: read === "unbound" ? "unbound" : "unreadable",
    };
  const { mkekLabel, hmacLabel, mechanism } = read.key;
  return { mkekLabel, hmacLabel, mechanism, state: stateOf(row) };
}

export async function countRows(database: Pick<BarbicanDatabase, "kekRows">): Promise<readonly CensusLine[]> {
  const census = new Census();
  for await (const page of everyPage(database)) for (const row of page) census.add(row, readRow(row));
  return census.lines();
}
