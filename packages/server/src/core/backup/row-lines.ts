import { Failure } from "../errors.ts";
import type { RowValue, TableRows } from "../ports/backup-store.ts";

/**
 * Rows of tables as lines of JSON (docs/backup-format.md §5): a line that names a table and its columns, then a line for
 * each row of it. A value is a string, a whole number, null, or `{"b": base64}` for bytes.
 */
export function encodeTable({ table, columns }: Omit<TableRows, "rows">): string {
  return `${JSON.stringify({ table, columns })}\n`;
}

export function encodeRow(row: readonly RowValue[]): string {
  return `${JSON.stringify(row.map(encodeValue))}\n`;
}

function encodeValue(value: RowValue): unknown {
  if (!(value instanceof Uint8Array)) return value;
  return { b: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
}

/** A line that begins a table, or a row of the table that was begun last. */
export type RowLine =
  { readonly table: string; readonly columns: readonly string[] } | { readonly row: readonly RowValue[] };

/** @throws Failure `backup-damaged` for what no release writes. */
export function parseLine(line: string): RowLine {
  const value = jsonOf(line);
  if (Array.isArray(value)) return { row: value.map(parseValue) };
  const { table, columns } = (value ?? {}) as { readonly table?: unknown; readonly columns?: unknown };
  if (typeof table !== "string" || !isNames(columns)) return damaged();
  return { table, columns };
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === "string");
}

function parseValue(value: unknown): RowValue {
  if (value === null || typeof value === "string" || Number.isSafeInteger(value)) return value as RowValue;
  const bytes = (value as { readonly b?: unknown }).b;
  return typeof bytes === "string" ? new Uint8Array(Buffer.from(bytes, "base64")) : damaged();
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return damaged();
  }
}

function damaged(): never {
  throw new Failure("backup-damaged", "the backup opens, but holds no rows that this release can read");
}
