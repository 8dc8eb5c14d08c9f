import type { FailedSecret, NamedRow } from "../../core/barbican/failed-rows.ts";
import { ROW_REFUSALS } from "../../core/barbican/failed-rows.ts";
import { columns, count, printable } from "../output.ts";

/** A person reads so many; all that are kept are in the JSON. */
const SHOWN = 50;

/** Rows that failed, with what each needs, for people. */
export function failedTable(
  what: string,
  failed: { readonly count: number; readonly named: readonly (NamedRow | FailedSecret)[] },
): readonly string[] {
  if (failed.count === 0) return [];
  const rows = failed.named.slice(0, SHOWN).map((row) => {
    const of = "projectId" in row ? `project ${row.projectId ?? "-"}` : `secret ${row.secretId}`;
    const why =
      row.detail === null ? ROW_REFUSALS[row.refused] : `${ROW_REFUSALS[row.refused]} (${row.detail})`;
    return [`  ${printable(row.id)}`, printable(of), row.refused, printable(why)];
  });
  const more = failed.count - rows.length;
  return [
    `${count(failed.count)} ${what}:`,
    columns(rows),
    ...(more > 0 ? [`  and ${count(more)} more: --json names up to 10,000`] : []),
  ];
}
