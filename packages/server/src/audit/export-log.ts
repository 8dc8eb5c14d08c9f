import type { DatabaseSync } from "node:sqlite";
import { beginLine, chainLine, endLine, headLine, keyLine, recordLine } from "@claviger/audit";
import type { LogPlace, LogVisitor } from "./walk-log.ts";
import { LOG_BEGIN, walkLog } from "./walk-log.ts";

export interface ExportedKey {
  readonly fingerprint: string;
  readonly pem: string;
}

/** How far an export has come: what it has counted, and the record with which it ends. */
export interface ExportCursor {
  readonly place: LogPlace;
  readonly upTo: number;
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
  const { place, more } = walkLog(db, lines, { from: cursor.place, upTo: cursor.upTo, limit: page.limit });
  const { upTo, keys } = cursor;
  const count = { records: cursor.records + lines.records, heads: cursor.heads + lines.heads, keys };
  if (!more) lines.add(endLine(count));
  return { lines: lines.text, next: more ? { place, upTo, ...count } : undefined };
}

function beginning(db: DatabaseSync, keys: number): ExportCursor {
  const { upTo } = db.prepare("SELECT coalesce(max(n), 0) AS upTo FROM records").get() as { upTo: number };
  return { place: LOG_BEGIN, upTo, records: 0, heads: 0, keys };
}

/** Writes what it is shown as lines, and counts it. */
class Lines implements LogVisitor {
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

  get text(): string {
    return this.#parts.join("");
  }
}
