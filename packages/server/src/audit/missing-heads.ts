import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { AuditKey, HeadRef } from "@claviger/audit";
import { isSignedBy, parseHead } from "@claviger/audit";

interface ChainRow {
  readonly id: number;
  readonly base: number;
  readonly hash: Uint8Array;
}
interface RecordRow {
  readonly n: number;
  readonly chain_id: number;
  readonly seq: number;
  readonly hash: Uint8Array;
}

/**
 * Which of the heads, by their place in the list, the log does not have: neither as a record with this hash, nor in an
 * archive, for which a signed head stands. Looks at places, not at what is between them: that is for verification.
 */
export function missingHeads(
  db: DatabaseSync,
  heads: readonly HeadRef[],
  trusted: readonly AuditKey[],
): readonly number[] {
  const chainNamed = db.prepare("SELECT id, base_seq AS base, base_hash AS hash FROM chains WHERE chain = ?");
  const behind = db.prepare("SELECT n, chain_id, seq, hash FROM records WHERE n >= ? ORDER BY n LIMIT 1");
  const { last } = db.prepare("SELECT coalesce(max(n), 0) AS last FROM records").get() as { last: number };
  const isThere = ({ chain, seq, hash }: HeadRef): boolean => {
    const row = chainNamed.get(chain) as ChainRow | undefined;
    if (!row) return false;
    if (seq > row.base) return hashAt(behind, last, row.id, seq) === hash;
    if (seq === row.base && hexOf(row.hash) !== hash) return false;
    return isBaseSigned(db, row, chain, trusted);
  };
  return heads.flatMap((head, i) => (isThere(head) ? [] : [i]));
}

/** Records are written chain by chain and number by number: a search by halves finds one without an index. */
function hashAt(behind: StatementSync, last: number, chainId: number, seq: number): string | undefined {
  let [low, high] = [1, last];
  while (low <= high) {
    const middle = Math.floor((low + high) / 2);
    const row = behind.get(middle) as unknown as RecordRow | undefined;
    if (!row) return undefined;
    if (row.chain_id === chainId && row.seq === seq) return hexOf(row.hash);
    if (row.chain_id < chainId || (row.chain_id === chainId && row.seq < seq)) low = row.n + 1;
    else high = middle - 1;
  }
  return undefined;
}

/** Whoever moves the beginning of a chain to hide what was before has no signature for it. */
function isBaseSigned(
  db: DatabaseSync,
  { id, base, hash }: ChainRow,
  chain: string,
  trusted: readonly AuditKey[],
): boolean {
  const signed = db
    .prepare("SELECT text, signature FROM heads WHERE chain_id = ? AND seq = ?")
    .all(id, base) as unknown as { text: string; signature: Uint8Array }[];
  return signed.some((one) => {
    const head = parseHead(one.text);
    const key = trusted.find(({ fingerprint }) => fingerprint === head?.key);
    const names = head?.chain === chain && head.seq === base && head.hash === hexOf(hash);
    return names && key !== undefined && isSignedBy(key, one);
  });
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
