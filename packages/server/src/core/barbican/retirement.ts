import type { CensusLine } from "./census.ts";

/** Rows of a database, or of a dump of one, in which rows have no state. */
export type CountedLabels = Omit<CensusLine, "state"> & Partial<Pick<CensusLine, "state">>;

/** Labels that are to be retired: rows under either still need it. */
export interface RetiringLabels {
  readonly mkek: string | undefined;
  readonly hmac: string | undefined;
}

/**
 * The lines that need one of the labels, soft-deleted rows too: a backup or a restore brings them back. What cannot be read
 * may need it, and counts.
 */
export function needing<Line extends CountedLabels>(
  lines: readonly Line[],
  { mkek, hmac }: RetiringLabels,
): readonly Line[] {
  return lines.filter(
    ({ mkekLabel, hmacLabel, state }) =>
      state === "unreadable" ||
      (mkek !== undefined && mkekLabel === mkek) ||
      (hmac !== undefined && hmacLabel === hmac),
  );
}

export function rowsIn(lines: readonly Pick<CensusLine, "rows">[]): number {
  return lines.reduce((sum, { rows }) => sum + rows, 0);
}
