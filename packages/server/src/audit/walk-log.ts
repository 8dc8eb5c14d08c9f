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

/** What is shown at most: so that what comes while a log is read is not shown by half. */
export interface LogBounds {
  /** Records up to this `n`. */
  readonly records: number;
  /** Chains up to this id. */
  readonly chains: number;
  /** Signed heads up to this `n`. */
  readonly heads: number;
  /** In the last of those chains, heads up to this record. */
  readonly lastSeq: number;
}

const ALL = Number.MAX_SAFE_INTEGER;
const UNBOUNDED: LogBounds = { records: ALL, chains: ALL, heads: ALL, lastSeq: ALL };

interface ChainRow {
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
 * Shows the records behind `from` with their chains and signed heads, at most `limit` of them, within the bounds.
 * Returns where it ended; `more` says whether there are others. What the file says is shown as it is: whether it is
 * right is for the visitor.
 */
export function walkLog(
  db: DatabaseSync,
  visitor: LogVisitor,
  { from = LOG_BEGIN, bounds = UNBOUNDED, limit = ALL } = {},
): { readonly place: LogPlace; readonly more: boolean } {
  const chains = db
    .prepare("SELECT id, chain, base_seq, base_hash FROM chains WHERE id > ? AND id <= ? ORDER BY id")
    .all(from.chainId, bounds.chains) as unknown as ChainRow[];
  const walk = new Walk({ db, visitor, bounds }, chains, from);
  const records = db
    .prepare("SELECT n, chain_id, seq, hash, text FROM records WHERE n > ? AND n <= ? ORDER BY n")
    .iterate(from.n, bounds.records) as Iterable<unknown> as Iterable<RecordRow>;
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
  readonly #bounds: LogBounds;
  readonly #chains: ChainRow[];
  #heads: HeadRow[] = [];
  #nextHead = 0;
  place: LogPlace;

  constructor(
    { db, visitor, bounds }: { db: DatabaseSync; visitor: LogVisitor; bounds: LogBounds },
    chains: ChainRow[],
    from: LogPlace,
  ) {
    this.#db = db;
    this.#visitor = visitor;
    this.#bounds = bounds;
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
    this.#showHeads(ALL);
  }

  #nextChain(): void {
    this.#showHeads(ALL);
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
      .prepare(
        "SELECT seq, text, signature FROM heads WHERE chain_id = ? AND seq > ? AND n <= ? AND seq <= ? ORDER BY seq, n",
      )
      .all(
        chainId,
        afterSeq,
        this.#bounds.heads,
        chainId < this.#bounds.chains ? ALL : this.#bounds.lastSeq,
      ) as unknown as HeadRow[];
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
