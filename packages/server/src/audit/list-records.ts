import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { parseRecord } from "@claviger/audit";
import type { AuditFilter, AuditItem, AuditPage } from "../core/ports/audit-log.ts";

/** So many records are looked at for one page, which may be shorter than asked for and yet have a next one. */
const SCANNED_RECORDS = 20_000;

/**
 * A page of records that fit the filter, the newest first, or the oldest first behind `after`. The texts are searched as
 * they stand: a value within quotes cannot stand for a member, since quotes in values are escaped.
 */
export function listRecords(db: DatabaseSync, filter: AuditFilter): AuditPage {
  const newest = filter.order === "newest";
  const start =
    filter.after === "end" ? lastOf(db, 0) : (filter.after ?? (newest ? Number.MAX_SAFE_INTEGER : 0));
  const { where, parameters } = conditions(filter);
  const bound = db
    .prepare(
      `SELECT n FROM records WHERE n ${newest ? "<" : ">"} ? ORDER BY n ${newest ? "DESC" : "ASC"} LIMIT 1 OFFSET ?`,
    )
    .get(start, SCANNED_RECORDS - 1) as { n: number } | undefined;
  const rows = db
    .prepare(
      `SELECT n, chain, text FROM records JOIN chains ON chains.id = chain_id
       WHERE n ${newest ? "<" : ">"} ?${bound ? ` AND n ${newest ? ">=" : "<="} ?` : ""}${where}
       ORDER BY n ${newest ? "DESC" : "ASC"} LIMIT ?`,
    )
    .all(start, ...(bound ? [bound.n] : []), ...parameters, filter.limit + 1) as unknown as Row[];
  const shown = rows.slice(0, filter.limit);
  const items = shown.map(({ chain, text }): AuditItem => ({ ...parseRecord(text), chain }));
  const last = shown.at(-1)?.n;
  if (rows.length > filter.limit) return { items, next: last };
  // Behind the oldest there is nothing; behind the newest there will be something.
  if (newest) return { items, next: bound?.n };
  return { items, next: bound?.n ?? lastOf(db, last ?? start) };
}

interface Row {
  readonly n: number;
  readonly chain: string;
  readonly text: string;
}

function lastOf(db: DatabaseSync, atLeast: number): number {
  const { last } = db.prepare("SELECT coalesce(max(n), 0) AS last FROM records").get() as { last: number };
  return Math.max(last, atLeast);
}

function conditions(filter: AuditFilter): { readonly where: string; readonly parameters: SQLInputValue[] } {
  const parts: string[] = [];
  const parameters: SQLInputValue[] = [];
  const member = (...names: [name: string, value: string | undefined][]): void => {
    const given = names.filter(([, value]) => value !== undefined);
    if (given.length === 0) return;
    parts.push(`(${given.map(() => "instr(text, ?) > 0").join(" OR ")})`);
    parameters.push(...given.map(([name, value]) => `"${name}":${JSON.stringify(value)}`));
  };
  const { principal, since, until } = filter;
  member(["principal", principal], ["principalId", principal]);
  member(["project", filter.project]);
  member(["key", filter.key]);
  member(["operation", filter.operation]);
  member(["outcome", filter.outcome]);
  const at = `substr(text, instr(text, ',"at":"') + 7, 24)`;
  if (since !== undefined) {
    parts.push(`${at} >= ?`);
    parameters.push(new Date(since).toISOString());
  }
  if (until !== undefined) {
    parts.push(`${at} < ?`);
    parameters.push(new Date(until).toISOString());
  }
  return { where: parts.map((part) => ` AND ${part}`).join(""), parameters };
}
