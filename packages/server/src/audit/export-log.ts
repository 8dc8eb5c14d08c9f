import type { DatabaseSync } from "node:sqlite";
import { beginLine, chainLine, endLine, headLine, keyLine, recordLine } from "@claviger/audit";
import type { LogBounds, LogPlace, LogVisitor } from "./walk-log.ts";
import { LOG_BEGIN, walkLog } from "./walk-log.ts";

export interface ExportedKey {
  readonly fingerprint: string;
  readonly pem: string;
}

/** How far an export has come: what it has counted, and the record with which it ends. */
export interface ExportCursor {
  readonly place: LogPlace;
  readonly bounds: LogBounds;
  readonly records: number;
  readonly heads: number;
  readonly keys: number;
}

/**
 * A page of an export: lines from where the cursor stands, or from the beginning, and the cursor of the page behind it;
 * without one this was the last page. Records that come while pages are fetched are for another export.
 */
export function exportPage(
  db: DatabaseSync,
  page: { cursor: ExportCursor | undefined; limit: number; keys: readonly ExportedKey[] },
): { readonly lines: string; readonly next: ExportCursor | undefined } {
  const lines = new Lines();
  const cursor = page.cursor ?? beginning(db, page.keys.length);
  if (!page.cursor) {
    lines.add(beginLine());
    for (const key of page.keys) lines.add(keyLine(key));
  }
  const { place, more } = walkLog(db, lines, {
    from: cursor.place,
    bounds: cursor.bounds,
    limit: page.limit,
  });
  const { bounds, keys } = cursor;
  const count = { records: cursor.records + lines.records, heads: cursor.heads + lines.heads, keys };
  if (!more) lines.add(endLine(count));
  return { lines: lines.text, next: more ? { place, bounds, ...count } : undefined };
}

function beginning(db: DatabaseSync, keys: number): ExportCursor {
  const last = db
    .prepare(
      `SELECT (SELECT coalesce(max(n), 0) FROM records) AS records, (SELECT coalesce(max(n), 0) FROM heads) AS heads,
         (SELECT coalesce(max(id), 0) FROM chains) AS chains`,
    )
    .get() as unknown as Omit<LogBounds, "lastSeq">;
  const bounds = { ...last, lastSeq: Number.MAX_SAFE_INTEGER };
  return { place: LOG_BEGIN, bounds, records: 0, heads: 0, keys };
}

const NUMBERS: readonly (readonly ["place" | "bounds" | "count", string])[] = [
  ["place", "n"],
  ["place", "chainId"],
  ["place", "seq"],
  ["bounds", "records"],
  ["bounds", "chains"],
  ["bounds", "heads"],
  ["bounds", "lastSeq"],
  ["count", "records"],
  ["count", "heads"],
  ["count", "keys"],
];

/** A cursor as clients carry it from page to page: its numbers, between dots. */
export function cursorText({ place, bounds, ...count }: ExportCursor): string {
  const parts: Readonly<Record<string, Readonly<Record<string, number>>>> = {
    place: { ...place },
    bounds: { ...bounds },
    count,
  };
  return NUMBERS.map(([part, name]) => parts[part]?.[name] ?? 0).join(".");
}

/** Undefined for a text that is no cursor. */
export function cursorOf(text: string): ExportCursor | undefined {
  if (!/^\d{1,16}(?:\.\d{1,16}){9}$/.test(text)) return undefined;
  const [n = 0, chainId = 0, seq = 0, ofRecords = 0, chains = 0, ofHeads = 0, lastSeq = 0, ...count] = text
    .split(".")
    .map(Number);
  const [records = 0, heads = 0, keys = 0] = count;
  const bounds = { records: ofRecords, chains, heads: ofHeads, lastSeq };
  return { place: { n, chainId, seq }, bounds, records, heads, keys };
}

/** Writes what it is shown as lines, and counts it. */
export class Lines implements LogVisitor {
  #parts: string[] = [];
  records = 0;
  heads = 0;

  add(line: string): void {
    this.#parts.push(line);
  }

  chain(from: Parameters<LogVisitor["chain"]>[0]): void {
    this.add(chainLine(from));
  }

  record(hash: Uint8Array, text: string): void {
    this.records += 1;
    this.add(recordLine(hash, text));
  }

  head(head: Parameters<LogVisitor["head"]>[0]): void {
    this.heads += 1;
    this.add(headLine(head));
  }

  /** What was added since this was asked for last. */
  get text(): string {
    return this.#parts.splice(0).join("");
  }
}
