import type { DatabaseSync } from "node:sqlite";
import type { HeadRef, SignedHead } from "@claviger/audit";

/** What is shown the log from the beginning to the end, in the order in which it is exported and verified. */
export interface LogVisitor {
  chain(from: HeadRef): void;
  record(hash: Uint8Array, text: string): void;
  head(head: SignedHead): void;
}

/** A place in the log: behind this record, and the signed heads that name it. */
export interface LogPlace {
  /** Counts records over all chains; 0 is before the first. */
  readonly n: number;
  /** 0: before the first chain. */
  readonly chainId: number;
  readonly seq: number;
}

export const LOG_BEGIN: LogPlace = { n: 0, chainId: 0, seq: 0 };

export interface ChainRow {
  readonly id: number;
  readonly chain: string;
  readonly base_seq: number;
  readonly base_hash: Uint8Array;
}
interface HeadRow extends SignedHead {
  readonly seq: number;
}
interface RecordRow {
  readonly n: number;
  readonly chain_id: number;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly text: string;
}

/**
 * Shows the records behind `from` with their chains and signed heads, at most `limit` of them and none behind `upTo`.
 * Returns where it ended; `more` says whether there are others. What the file says is shown as it is: whether it is
 * right is for the visitor.
 */
export function walkLog(
  db: DatabaseSync,
  visitor: LogVisitor,
  { from = LOG_BEGIN, upTo = Number.MAX_SAFE_INTEGER, limit = Number.MAX_SAFE_INTEGER } = {},
): { readonly place: LogPlace; readonly more: boolean } {
  const chains = db
    .prepare("SELECT id, chain, base_seq, base_hash FROM chains WHERE id > ? ORDER BY id")
    .all(from.chainId) as unknown as ChainRow[];
  const walk = new Walk(db, visitor, chains, from);
  const records = db
    .prepare("SELECT n, chain_id, seq, hash, text FROM records WHERE n > ? AND n <= ? ORDER BY n")
    .iterate(from.n, upTo) as Iterable<unknown> as Iterable<RecordRow>;
  let shown = 0;
  for (const record of records) {
    if (shown === limit) return { place: walk.place, more: true };
    walk.record(record);
    shown += 1;
  }
  walk.end();
  return { place: walk.place, more: false };
}

class Walk {
  readonly #db: DatabaseSync;
  readonly #visitor: LogVisitor;
  readonly #chains: ChainRow[];
  #heads: HeadRow[] = [];
  #nextHead = 0;
  place: LogPlace;

  constructor(db: DatabaseSync, visitor: LogVisitor, chains: ChainRow[], from: LogPlace) {
    this.#db = db;
    this.#visitor = visitor;
    this.#chains = chains;
    this.place = from;
    if (from.chainId > 0) this.#readHeads(from.chainId, from.seq);
  }

  record({ n, chain_id: chainId, seq, hash, text }: RecordRow): void {
    // A record of a chain that has ended, or of none, stays where it stands.
    while (chainId > this.place.chainId && this.#chains.some(({ id }) => id <= chainId)) this.#nextChain();
    this.#visitor.record(hash, text);
    this.place = { n, chainId: this.place.chainId, seq };
    this.#showHeads(seq);
  }

  end(): void {
    while (this.#chains.length > 0) this.#nextChain();
    this.#showHeads(Number.MAX_SAFE_INTEGER);
  }

  #nextChain(): void {
    this.#showHeads(Number.MAX_SAFE_INTEGER);
    const row = this.#chains.shift();
    if (!row) return;
    const { id, chain, base_seq: seq, base_hash: hash } = row;
    this.#visitor.chain({ chain, seq, hash: Buffer.from(hash).toString("hex") });
    this.place = { ...this.place, chainId: id, seq };
    this.#readHeads(id, 0);
    this.#showHeads(seq);
  }

  #readHeads(chainId: number, afterSeq: number): void {
    this.#heads = this.#db
      .prepare("SELECT seq, text, signature FROM heads WHERE chain_id = ? AND seq > ? ORDER BY seq, n")
      .all(chainId, afterSeq) as unknown as HeadRow[];
    this.#nextHead = 0;
  }

  #showHeads(upToSeq: number): void {
    for (;;) {
      const head = this.#heads[this.#nextHead];
      if (!head || head.seq > upToSeq) return;
      this.#nextHead += 1;
      this.#visitor.head(head);
    }
  }
}
