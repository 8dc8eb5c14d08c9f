import { open } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import type { CensusLine } from "../../core/barbican/census.ts";
import { sqliteFailure } from "../database/sqlite-failures.ts";
import { dumpLines, unreadable } from "./dump-lines.ts";
import { KekRowsInText } from "./kek-rows-in-text.ts";

/*
 * Which labels the rows of a database dump need: a backup that names an old label can be restored only as long as the token
 * has that key.
 *
 * - Every value of kek_data that has an "mkek_label" counts, whatever the state of its row.
 * - What cannot be read is refused, and never counted as nothing: other forms, a dump that is cut off, one without kek_data.
 */

/** How many rows name these labels and this mechanism. */
export type LabelCount = Omit<CensusLine, "state">;

const SQLITE_HEADER = "SQLite format 3\0";
const MECHANISM_BEFORE_20 = "CKM_AES_CBC_PAD";

/**
 * Of a dump in SQL, gzip'd or not, or a copy of a file of SQLite; in constant memory.
 * @throws Failure `barbican-database-unsuitable`
 */
export async function labelsInDump(path: string): Promise<readonly LabelCount[]> {
  const head = await headOf(path);
  const counts = new Counts(path);
  if (Buffer.from(head).toString("latin1") === SQLITE_HEADER) countInSqlite(path, counts);
  else await countInText(path, head, counts);
  return counts.all();
}

async function countInText(path: string, head: Uint8Array, counts: Counts): Promise<void> {
  const rows = new KekRowsInText();
  let number = 0;
  for await (const line of dumpLines(path, head)) {
    number += 1;
    const values = rows.take(line);
    if (!values) throw unreadable(path, `has a value in line ${number}, in kek_data, that cannot be read`);
    for (const value of values) counts.add(value, `line ${number}`);
  }
  if (!rows.hasSection)
    throw unreadable(path, "has no rows of kek_data in it, as the dump of a Barbican has");
  if (rows.isOpen) throw unreadable(path, "ends in the middle of kek_data");
}

function countInSqlite(path: string, counts: Counts): void {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(new URL(`${pathToFileURL(path).href}?mode=ro`), { readOnly: true });
    const rows = database
      .prepare("SELECT id, CAST(plugin_meta AS TEXT) AS meta FROM kek_data WHERE plugin_meta IS NOT NULL")
      .iterate() as Iterable<{ readonly id: string; readonly meta: string }>;
    for (const { id, meta } of rows) counts.add(meta, `row ${id}`);
  } catch (error) {
    throw sqliteFailure(error, path);
  } finally {
    database?.close();
  }
}

class Counts {
  readonly #path: string;
  readonly #counts = new Map<string, LabelCount>();

  constructor(path: string) {
    this.#path = path;
  }

  /** Counts a value if it is a plugin_meta. */
  add(value: string, place: string): void {
    if (!value.includes('"mkek_label"')) return;
    const meta = labelsOf(value);
    if (!meta) throw unreadable(this.#path, `has a plugin_meta in ${place} that names no labels`);
    const key = JSON.stringify([meta.mkekLabel, meta.hmacLabel, meta.mechanism]);
    this.#counts.set(key, { ...meta, rows: (this.#counts.get(key)?.rows ?? 0) + 1 });
  }

  all(): readonly LabelCount[] {
    return [...this.#counts.values()];
  }
}

/** Only the labels: what else is wrong with a row does not change which keys it needs. */
function labelsOf(text: string): Omit<LabelCount, "rows"> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const {
    mkek_label: mkekLabel,
    hmac_label: hmacLabel,
    key_wrap_mechanism: mechanism = MECHANISM_BEFORE_20,
  } = value as Readonly<Record<string, unknown>>;
  const isMeta =
    typeof mkekLabel === "string" && typeof hmacLabel === "string" && typeof mechanism === "string";
  return isMeta ? { mkekLabel, hmacLabel, mechanism } : undefined;
}

async function headOf(path: string): Promise<Uint8Array> {
  try {
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(SQLITE_HEADER.length),
      0,
      SQLITE_HEADER.length,
    );
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw unreadable(path, `cannot be read (${code})`);
  }
}
