import { closeSync, createReadStream, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { beginLine, endLine, keyLine, parseHead, verifyExport } from "@claviger/audit";
import type { HeadRef, VerifyOptions } from "@claviger/audit";
import { Failure } from "../core/errors.ts";
import type { ExportedKey } from "./export-log.ts";
import { Lines } from "./export-log.ts";
import type { LogPlace } from "./walk-log.ts";
import { LOG_BEGIN, walkLog } from "./walk-log.ts";

const PAGE_RECORDS = 1_000;

export interface Archived {
  /** Name of the file in the archive. */
  readonly file: string;
  readonly records: number;
  /** The signed head up to which each chain is in the archive now. */
  readonly upTo: readonly HeadRef[];
}

interface Cut extends HeadRef {
  readonly id: number;
  readonly n: number;
  readonly whole: boolean;
}

/**
 * Writes the records up to the last head that was signed before `before` into an export file, and verifies it. Nothing
 * is deleted here. Chains are cut in their order: one is begun only when the one before is in the archive whole.
 */
export async function archiveLog(
  path: string,
  options: { folder: string; before: string; keys: readonly ExportedKey[]; verify: VerifyOptions },
): Promise<Archived | undefined> {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    db.exec("BEGIN");
    const cuts = cutsOf(db, options.before);
    const last = cuts.at(-1);
    if (!last) return undefined;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    const at = last.at.replaceAll(":", "").replace(/\.\d+/, "");
    const file = join(options.folder, `audit-${at}-${last.chain.slice(-12)}-${last.seq}.jsonl`);
    const records = writeArchive(db, `${file}.tmp`, last, options.keys);
    const { faults } = await verifyExport(createReadStream(`${file}.tmp`), options.verify);
    const [fault] = faults;
    if (fault) {
      const where = `record ${fault.seq} of chain ${fault.chain}`;
      throw new Failure("audit-damaged", `What is to be archived has a fault at ${where}: ${fault.what}.`);
    }
    renameSync(`${file}.tmp`, file);
    syncFolder(options.folder);
    const upTo = cuts.map(({ chain, seq, hash }) => ({ chain, seq, hash }));
    return { file: basename(file), records, upTo };
  } finally {
    db.close();
  }
}

function cutsOf(db: DatabaseSync, before: string): (Cut & { readonly at: string })[] {
  const chains = db
    .prepare("SELECT id, chain, base_seq AS base FROM chains ORDER BY id")
    .all() as unknown as { id: number; chain: string; base: number }[];
  const cuts: (Cut & { readonly at: string })[] = [];
  for (const { id, chain, base } of chains) {
    const last = db.prepare("SELECT max(seq) AS seq FROM records WHERE chain_id = ?").get(id) as {
      seq: number | null;
    };
    if (last.seq === null) continue;
    const heads = db
      .prepare("SELECT text FROM heads WHERE chain_id = ? AND seq > ? ORDER BY seq DESC, n DESC")
      .all(id, base) as unknown as { text: string }[];
    const head = heads
      .map(({ text }) => parseHead(text))
      .find((one) => one !== undefined && one.at <= before && one.chain === chain);
    if (!head) break;
    const row = db.prepare("SELECT n FROM records WHERE chain_id = ? AND seq = ?").get(id, head.seq) as
      { n: number } | undefined;
    if (!row)
      throw new Failure("audit-damaged", `Record ${head.seq} of chain ${chain} is signed, and is not there.`);
    const whole = head.seq === last.seq;
    cuts.push({ id, chain, n: row.n, seq: head.seq, hash: head.hash, whole, at: head.at });
    if (!whole) break;
  }
  return cuts;
}

function writeArchive(db: DatabaseSync, path: string, last: Cut, keys: readonly ExportedKey[]): number {
  const file = openSync(path, "w", 0o600);
  try {
    const lines = new Lines();
    lines.add(beginLine());
    for (const key of keys) lines.add(keyLine(key));
    const bounds = { records: last.n, chains: last.id, heads: Number.MAX_SAFE_INTEGER, lastSeq: last.seq };
    let from: LogPlace = LOG_BEGIN;
    for (let more = true; more;) {
      const walked = walkLog(db, lines, { from, bounds, limit: PAGE_RECORDS });
      from = walked.place;
      more = walked.more;
      writeSync(file, lines.text);
    }
    const { records, heads } = lines;
    writeSync(file, endLine({ records, heads, keys: keys.length }));
    fsyncSync(file);
    return records;
  } finally {
    closeSync(file);
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
