import type { RowPace } from "./row-pace.ts";
import type { BarbicanDatabase, KekRow, SecretRow } from "./barbican-database.ts";

/** Rows that are read at once: one of `kek_data` is less than a kilobyte. */
const PAGE_ROWS = 1_000;
/** A secret has up to 20 kB, and more where the limit of its Barbican was raised. */
const SECRETS_PAGE_ROWS = 200;

/**
 * Every row of `kek_data` in the order of the database. What is added meanwhile may come to stand before the page, and is not seen.
 * At a rate of so many rows a second no page has more of them: no second is busier than it.
 */
export function everyPage(
  database: Pick<BarbicanDatabase, "kekRows">,
  rowsPerSecond = Number.POSITIVE_INFINITY,
): AsyncGenerator<readonly KekRow[]> {
  return pages((after, limit) => database.kekRows(after, limit), Math.min(PAGE_ROWS, rowsPerSecond));
}

/** As `everyPage`, of `encrypted_data`. */
export function everySecretPage(
  database: Pick<BarbicanDatabase, "secretRows">,
  rowsPerSecond: number,
): AsyncGenerator<readonly SecretRow[]> {
  return pages(
    (after, limit) => database.secretRows(after, limit),
    Math.min(SECRETS_PAGE_ROWS, rowsPerSecond),
  );
}

/** Pages that are on their way at once: while one is in the token, another is read and written. */
const PAGES_AT_ONCE = 3;

/**
 * Does `work` on each page, at their pace, until `signal` aborts. Where one fails no other is begun, and those that are under
 * way end first.
 * @throws what `work` or the reading has thrown first.
 */
export async function eachPage<Row>(
  source: AsyncGenerator<readonly Row[]>,
  { pace, signal }: { readonly pace: RowPace; readonly signal: AbortSignal },
  work: (page: readonly Row[]) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = [];
  const failed = new AbortController();
  const fail = (error: unknown): void => {
    failures.push(error);
    failed.abort();
  };
  const stop = AbortSignal.any([signal, failed.signal]);
  const underWay = new Set<Promise<void>>();
  try {
    for await (const page of source) {
      await pace.before(page.length, stop);
      if (stop.aborted) break;
      // Kept when it fails, at whatever moment that is: nobody may be waiting for it just then.
      const done = work(page)
        .catch(fail)
        .finally(() => underWay.delete(done));
      underWay.add(done);
      if (underWay.size >= PAGES_AT_ONCE) await Promise.race(underWay);
    }
  } catch (error) {
    fail(error);
  }
  await Promise.all(underWay);
  if (failures.length > 0) throw failures[0];
}

async function* pages<Row extends { readonly id: string }>(
  read: (after: string | null, limit: number) => Promise<readonly Row[]>,
  limit: number,
): AsyncGenerator<readonly Row[]> {
  for (let after: string | null = null; ;) {
    const rows: readonly Row[] = await read(after, limit);
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (!last || rows.length < limit) return;
    after = last.id;
  }
}
