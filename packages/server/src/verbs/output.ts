import { styleText } from "node:util";

/** Writes the result of a verb to stdout: one JSON document, or text for people. */
export function show<Value>(value: Value, json: boolean, forPeople: (value: Value) => string): void {
  process.stdout.write(`${json ? JSON.stringify(value, null, 2) : forPeople(value)}\n`);
}

/** Colours appear only on a terminal and without NO_COLOR. */
export function paint(colour: "red" | "green" | "yellow" | "dim", text: string): string {
  return styleText(colour, text, { stream: process.stdout });
}

/** Rows whose columns stand below each other; the last one ends where it ends. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, nth) => Math.max(...rows.map((row) => (row[nth] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, nth) => cell.padEnd(widths[nth] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** With commas between thousands. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** What somebody else has written, for a terminal: without control characters, which could draw over what is there. */
export function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, "\u{fffd}");
}

/** A number with its noun and verb: `1 row has`, `2 rows have`. */
export function counted(value: number, one: string, more: string): string {
  return `${count(value)} ${value === 1 ? one : more}`;
}
