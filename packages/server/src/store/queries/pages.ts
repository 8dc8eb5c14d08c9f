import { Failure } from "../../core/errors.ts";
import type { Page, PageOf } from "../../core/ports/store-call.ts";

/** Pages follow a counting column `n`; `next` is the last one shown, in decimal. */
export function pageStart(page: Page): number {
  if (page.after === undefined) return 0;
  const n = Number(page.after);
  if (!/^[0-9]{1,15}$/.test(page.after) || !Number.isSafeInteger(n)) {
    throw new Failure("invalid-request", "`after` is not the `next` of a page", { field: "after" });
  }
  return n;
}

/** `rows` has one more than `limit` where another page follows. */
export function pageOf<Row extends { n: number }, Item>(
  rows: readonly Row[],
  limit: number,
  itemOf: (row: Row) => Item,
): PageOf<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown.map(itemOf), next: rows.length > limit && last ? String(last.n) : undefined };
}
