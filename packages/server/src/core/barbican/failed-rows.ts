import { isFailure } from "../errors.ts";
import type { BarbicanDatabase } from "./barbican-database.ts";
import type { ProjectKeyRefusal } from "./project-key.ts";
import type { RowState } from "./read-row.ts";

/** Why a row of `kek_data` does not come along. `unreadable`: plugin_meta is not what Barbican writes. */
export type RowRefusal = ProjectKeyRefusal | "unreadable";

/** What an operator has to know of each. */
export const ROW_REFUSALS = {
  "mkek-missing": "the token has no MKEK of the label that the row names",
  "mkek-ambiguous": "the token has more than one MKEK of the label that the row names",
  "hmac-key-missing":
    "the token has no HMAC key of the label that the row names, of the type in barbican.conf",
  "hmac-key-ambiguous": "the token has more than one HMAC key of the label that the row names",
  "hmac-mismatch": "the HMAC does not fit: the row was changed, or another key has the label now",
  "mechanism-unsupported": "the token does not do the mechanism that the row names",
  "not-opened":
    "it does not open although its HMAC is right: another key has the label now, or the secret was changed",
  malformed: "an IV or a wrapped key has a length that the mechanism does not make",
  unreadable: "it is not what Barbican writes",
} as const satisfies Record<RowRefusal, string>;

export interface FailedRow {
  readonly id: string;
  readonly state: RowState;
  readonly refused: RowRefusal;
  /** What is known besides, as a clause; never a value of the row. */
  readonly detail: string | null;
}

/** With what users call its project; null where nobody knows it. */
export interface NamedRow extends FailedRow {
  readonly projectId: string | null;
}

/** A row of `encrypted_data` that does not open. */
export interface FailedSecret {
  readonly id: string;
  readonly secretId: string;
  readonly kekId: string;
  readonly isDeleted: boolean;
  readonly refused: RowRefusal;
  readonly detail: string | null;
}

/** More are only counted, so that memory has an end. */
const NAMED = 10_000;

/** Rows that failed, the first ones by name, all of them by number. */
export class Failed<Row> {
  readonly #named: Row[] = [];
  #count = 0;

  add(row: Row): void {
    this.#count += 1;
    if (this.#named.length < NAMED) this.#named.push(row);
  }

  get count(): number {
    return this.#count;
  }

  get named(): readonly Row[] {
    return this.#named;
  }
}

/** Projects are looked up for what has failed alone: of a million rows that would be a tenth of the time. */
export async function withProjects(
  database: Pick<BarbicanDatabase, "projectOf">,
  rows: readonly FailedRow[],
): Promise<readonly NamedRow[]> {
  const named: NamedRow[] = [];
  for (const row of rows) named.push({ ...row, projectId: await projectOf(database, row.id) });
  return named;
}

async function projectOf(
  database: Pick<BarbicanDatabase, "projectOf">,
  kekId: string,
): Promise<string | null> {
  try {
    return await database.projectOf(kekId);
  } catch (error) {
    // The database may be what has failed: the rows are known by their ids too.
    if (isFailure(error)) return null;
    throw error;
  }
}
