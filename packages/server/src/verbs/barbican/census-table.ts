import type { CountedLabels } from "../../core/barbican/retirement.ts";
import { columns, count, printable } from "../output.ts";

/** A census for people; without lines, that there are no rows. */
export function censusTable(lines: readonly CountedLabels[]): string {
  if (lines.length === 0) return "no project keys";
  const cell = (text: string | null): string => (text === null ? "-" : printable(text));
  const rows = lines.map((line) => [
    count(line.rows).padStart(9),
    cell(line.mkekLabel),
    cell(line.hmacLabel),
    cell(line.mechanism),
    line.state ?? "",
  ]);
  return columns([
    ["     rows", "MKEK", "HMAC key", "mechanism", lines[0]?.state === undefined ? "" : "state"],
    ...rows,
  ]);
}
