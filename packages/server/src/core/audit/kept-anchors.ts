import type { UnitAddress } from "../ids.ts";
import type { AnchoredHead, Anchors, StoreMoment } from "../unit/anchors.ts";
import { laterMoment, olderThan, withHeads } from "../unit/anchors.ts";

/** What one unit has kept; undefined when it never has. */
export interface KeptAnchors {
  readonly unit: UnitAddress;
  readonly anchors: Anchors | undefined;
}

/** A head of the audit log, and a unit that has anchored it. */
export interface ClaimedHead extends AnchoredHead {
  readonly unit: UnitAddress;
}

export interface JoinedAnchors {
  /** The newest of everything; undefined when no unit has kept any. */
  readonly newest: Anchors | undefined;
  /** Every head that a unit claims. */
  readonly heads: readonly ClaimedHead[];
  /** Units that have seen less than others: a crash came between two units, or their files are older. */
  readonly behind: readonly UnitAddress[];
}

/**
 * What several units have kept, as one. Only those of the newest epoch count: an older one has missed that somebody
 * accepted a rollback, and may claim what was given up by that.
 */
export function joinAnchors(kept: readonly KeptAnchors[]): JoinedAnchors {
  const epoch = Math.max(...kept.map(({ anchors }) => anchors?.store.epoch ?? 0));
  let newest: Anchors | undefined;
  const heads = new Map<string, ClaimedHead>();
  for (const { unit, anchors } of kept) {
    if (!anchors || anchors.store.epoch < epoch) continue;
    newest = newest
      ? {
          store: laterMoment(newest.store, anchors.store),
          heads: withHeads(newest.heads, anchors.heads),
        }
      : anchors;
    for (const head of anchors.heads) {
      const name = `${head.chain} ${head.seq} ${head.hash}`;
      if (!heads.has(name)) heads.set(name, { ...head, unit });
    }
  }
  const behind = newest ? kept.filter(({ anchors }) => isBehind(anchors, newest)) : [];
  return { newest, heads: [...heads.values()], behind: behind.map(({ unit }) => unit) };
}

function isBehind(anchors: Anchors | undefined, newest: Anchors): boolean {
  if (!anchors || olderThan(anchors.store, newest.store) !== undefined) return true;
  const [last] = newest.heads.slice(-1);
  return (
    last !== undefined && !anchors.heads.some(({ chain, seq }) => chain === last.chain && seq === last.seq)
  );
}

/** Why the database that has come so far is an older one, as a clause that names who has seen it later. */
export function describeOlder(found: StoreMoment, kept: readonly KeptAnchors[]): string | undefined {
  const { newest } = joinAnchors(kept);
  const why = newest && olderThan(found, newest.store);
  if (why === undefined) return undefined;
  const by = kept.filter(({ anchors }) => anchors && olderThan(found, anchors.store) !== undefined);
  return `older than crypto unit ${by.map(({ unit }) => unit).join(", ")} has seen it: ${why}`;
}

/** Names the newest head that the log does not have, and counts the others. */
export function describeMissing(last: ClaimedHead, others: number): string {
  const more = others > 0 ? `, nor ${others} anchored before it` : "";
  const where = `record ${last.seq} of chain ${last.chain}`;
  return `with an older or cut audit log: audit.db has not ${where}, which crypto unit ${last.unit} has anchored${more}`;
}
