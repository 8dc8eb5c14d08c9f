import { closeSync, existsSync, openSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { StatementSync } from "node:sqlite";
import type { HeadRef } from "@claviger/audit";
import { BEGIN_OPERATION, RecordHasher, entryText, hashOfChain, recordText } from "@claviger/audit";
import { Failure } from "../core/errors.ts";

/**
 * The file of the audit log: chains, their records in the order in which they were written, and signed heads. One
 * connection writes it. Times never go back within the log, whatever the clock does.
 */
const SCHEMA = `
  CREATE TABLE chains (
    id INTEGER PRIMARY KEY,
    chain TEXT NOT NULL UNIQUE,
    base_seq INTEGER NOT NULL,
    base_hash BLOB NOT NULL);
  CREATE TABLE records (
    n INTEGER PRIMARY KEY,
    chain_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    text TEXT NOT NULL,
    mark TEXT);
  CREATE UNIQUE INDEX records_by_mark ON records (mark) WHERE mark IS NOT NULL;
  CREATE TABLE heads (
    n INTEGER PRIMARY KEY,
    chain_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    text TEXT NOT NULL,
    signature BLOB NOT NULL);
  CREATE INDEX heads_by_place ON heads (chain_id, seq);
  CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), outbox INTEGER NOT NULL);
  INSERT INTO state (one, outbox) VALUES (1, 0);
  PRAGMA user_version = 1;`;
const SCHEMA_VERSION = 1;

/** A record on its way into the chain. */
export interface NewRecord {
  readonly atMs: number;
  /** `entryText` of what it says. */
  readonly rest: string;
  /** Of a row of the outbox. */
  readonly mark?: string;
  readonly outbox?: number;
}

export interface ChainHead extends HeadRef {
  /** The highest number of the outbox that was taken over. */
  readonly outbox: number;
}

interface Position {
  readonly chainId: number;
  readonly chain: string;
  readonly seq: number;
  readonly hash: Buffer;
}

export class AuditDatabase {
  readonly #db: DatabaseSync;
  readonly #path: string;
  readonly #files: string;
  readonly #insert: StatementSync;
  readonly #hasher = new RecordHasher();
  #at: Position | undefined;
  #lastAt: string;
  #outbox: number;

  /**
   * Opens the file, and makes it where it is not there.
   * @throws Failure `audit-damaged`; an error of node:sqlite or node:fs for what may pass by.
   */
  constructor(path: string) {
    if (!existsSync(path)) closeSync(openSync(path, "wx", 0o600));
    this.#path = path;
    this.#db = new DatabaseSync(path, { timeout: 1_000 });
    try {
      this.#db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
      this.#db.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;");
      this.#migrate();
      this.#insert = this.#db.prepare(
        "INSERT INTO records (chain_id, seq, hash, text, mark) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      );
      const last = this.#db
        .prepare(
          `SELECT chain_id AS chainId, chain, seq, hash, text FROM records JOIN chains ON chains.id = chain_id
           ORDER BY n DESC LIMIT 1`,
        )
        .get() as { chainId: number; chain: string; seq: number; hash: Uint8Array; text: string } | undefined;
      // Without records there may be chains whose records are all archived.
      const base = this.#db
        .prepare(
          "SELECT id AS chainId, chain, base_seq AS seq, base_hash AS hash FROM chains ORDER BY id DESC LIMIT 1",
        )
        .get() as { chainId: number; chain: string; seq: number; hash: Uint8Array } | undefined;
      const found = last ?? base;
      this.#at = found && { ...found, hash: Buffer.from(found.hash) };
      this.#lastAt = (last && /^\{"seq":\d+,"at":"([^"]+)"/.exec(last.text)?.[1]) ?? "";
      this.#outbox = (this.#db.prepare("SELECT outbox FROM state").get() as { outbox: number }).outbox;
    } catch (error) {
      this.#db.close();
      throw openFailure(error);
    }
    this.#files = filesOf(path);
  }

  /** Undefined before the first chain has begun. */
  get head(): ChainHead | undefined {
    if (!this.#at) return undefined;
    const { chain, seq, hash } = this.#at;
    return { chain, seq, hash: hash.toString("hex"), outbox: this.#outbox };
  }

  /** Whether the file has this record. */
  contains({ chain, seq, hash }: HeadRef): boolean {
    const row = this.#db
      .prepare(
        `SELECT lower(hex(hash)) AS hash FROM records JOIN chains ON chains.id = chain_id
         WHERE chain = ? AND seq = ? UNION ALL
         SELECT lower(hex(base_hash)) AS hash FROM chains WHERE chain = ? AND base_seq = ?`,
      )
      .get(chain, seq, chain, seq) as { hash: string } | undefined;
    return row?.hash === hash;
  }

  /** Begins a chain; its first record names the head that it follows. Durable when this returns. */
  begin(chain: string, record: { atMs: number; previous: HeadRef | undefined; note: string }): void {
    const base = hashOfChain(chain);
    this.#transact(() => {
      const { lastInsertRowid } = this.#db
        .prepare("INSERT INTO chains (chain, base_seq, base_hash) VALUES (?, 0, ?)")
        .run(chain, base);
      const { atMs, previous, note } = record;
      const rest = entryText({ operation: BEGIN_OPERATION, outcome: "allowed", note, previous });
      return this.#add({ chainId: Number(lastInsertRowid), chain, seq: 0, hash: base }, [{ atMs, rest }]);
    });
  }

  /**
   * Writes records behind the head, in one transaction: all of them are durable when this returns, or none is there.
   * One whose mark the log has already is left out.
   */
  append(records: readonly NewRecord[]): void {
    const at = this.#at;
    if (!at) throw new Failure("internal", "a record came before its chain");
    this.#transact(() => this.#add(at, records));
  }

  addHead(head: { readonly chain: string; seq: number; text: string; signature: Uint8Array }): void {
    this.#transact(() => {
      this.#db
        .prepare(
          "INSERT INTO heads (chain_id, seq, text, signature) SELECT id, ?, ?, ? FROM chains WHERE chain = ?",
        )
        .run(head.seq, head.text, head.signature, head.chain);
      return this.#at;
    });
  }

  /**
   * Deletes the records of a chain up to a signed head, which from then on stands for them; heads before it go too, and
   * one of the same record by a key that was replaced.
   * At most `limit` records at a time. Returns how many it has deleted.
   */
  forget({ chain, seq }: HeadRef, limit: number): number {
    let deleted = 0;
    this.#transact(() => {
      const row = this.#db.prepare("SELECT id FROM chains WHERE chain = ?").get(chain) as { id: number };
      const { changes } = this.#db
        .prepare(
          `DELETE FROM records WHERE n IN (SELECT n FROM records WHERE chain_id = ? AND seq <= ? ORDER BY n LIMIT ?)`,
        )
        .run(row.id, seq, limit);
      deleted = Number(changes);
      if (deleted === 0) {
        this.#db
          .prepare(
            `DELETE FROM heads WHERE chain_id = ? AND seq <= ?
             AND n < (SELECT max(n) FROM heads WHERE chain_id = ? AND seq = ?)`,
          )
          .run(row.id, seq, row.id, seq);
      }
      return this.#at;
    });
    return deleted;
  }

  /** Notes where the records of a chain begin, before those up to there are deleted. */
  setBase({ chain, seq, hash }: HeadRef): void {
    this.#transact(() => {
      this.#db
        .prepare("UPDATE chains SET base_seq = ?, base_hash = ? WHERE chain = ?")
        .run(seq, Buffer.from(hash, "hex"), chain);
      return this.#at;
    });
  }

  /** Whether the files are still those that were opened: one that was removed or replaced takes what is written along. */
  isInPlace(): boolean {
    return filesOf(this.#path) === this.#files;
  }

  close(): void {
    this.#db.close();
  }

  #add(from: Position, records: readonly NewRecord[]): Position {
    let { seq, hash } = from;
    let outbox = this.#outbox;
    let [lastMs, at] = [Number.NaN, ""];
    for (const { atMs, rest, mark, outbox: number } of records) {
      if (atMs !== lastMs) [lastMs, at] = [atMs, this.#timeOf(atMs)];
      const text = recordText(seq + 1, at, rest);
      const next = this.#hasher.ofText(hash, text);
      const { changes } = this.#insert.run(from.chainId, seq + 1, next, text, mark ?? null);
      if (changes === 0) continue;
      seq += 1;
      hash = next;
      this.#lastAt = at;
      if (number !== undefined && number > outbox) outbox = number;
    }
    if (outbox !== this.#outbox) this.#db.prepare("UPDATE state SET outbox = ?").run(outbox);
    this.#outbox = outbox;
    return { ...from, seq, hash };
  }

  #timeOf(atMs: number): string {
    const at = new Date(atMs).toISOString();
    return at > this.#lastAt ? at : this.#lastAt;
  }

  /** Head, time and outbox number move only with the commit. */
  #transact(work: () => Position | undefined): void {
    const before = { at: this.#at, lastAt: this.#lastAt, outbox: this.#outbox };
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      this.#at = work();
      this.#db.exec("COMMIT");
    } catch (error) {
      this.#at = before.at;
      this.#lastAt = before.lastAt;
      this.#outbox = before.outbox;
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  #migrate(): void {
    const { user_version: version } = this.#db.prepare("PRAGMA user_version").get() as {
      user_version: number;
    };
    if (version > SCHEMA_VERSION) throw new Failure("store-newer", "a newer release wrote the audit log");
    if (version < SCHEMA_VERSION) this.#db.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT;`);
  }
}

/** SQLITE_CORRUPT and SQLITE_NOTADB (sqlite.org/rescode.html). */
function openFailure(error: unknown): unknown {
  const errcode = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : 0;
  return errcode === 11 || errcode === 26 ? new Failure("audit-damaged", undefined, { cause: error }) : error;
}

/** Device and inode of the file and of its log, as text. */
function filesOf(path: string): string {
  return [path, `${path}-wal`]
    .map((file) => {
      const stats = statSync(file, { throwIfNoEntry: false });
      return stats ? `${stats.dev} ${stats.ino}` : "none";
    })
    .join("; ");
}
