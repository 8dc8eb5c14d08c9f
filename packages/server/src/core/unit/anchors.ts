/**
 * What a crypto unit keeps of the service's data, so that older or cut data is known as such: how far the database had come,
 * and the last signed head of each chain of the audit log. It goes only where everything in it is durable in both.
 */
export interface Anchors {
  readonly store: StoreMoment;
  /** One for each chain, that which was signed last behind the others; at most `ANCHORED_CHAINS`. */
  readonly heads: readonly AnchoredHead[];
}

/** How far the database has come. It never goes back by itself. */
export interface StoreMoment {
  /** How often somebody has accepted that it is of an earlier moment: before everything else, because the rest begins anew. */
  readonly epoch: number;
  /** Mutations that have left a record for the audit log. */
  readonly mutations: number;
  /** Generation of each fence, by `group type`. */
  readonly generations: Readonly<Record<string, number>>;
}

/** A record of the audit log, which its file must have. */
export interface AnchoredHead {
  readonly chain: string;
  readonly seq: number;
  /** 64 hex digits. */
  readonly hash: string;
}

/** So many chains are anchored at most, the newest: a start begins one, and names the end of the one before. */
export const ANCHORED_CHAINS = 16;

/** The form in which a unit keeps them is never larger. */
export const ANCHORS_LIMIT_BYTES = 8 * 1024;

const FORMAT = 1;

export function encodeAnchors({ store, heads }: Anchors): Uint8Array {
  return Buffer.from(JSON.stringify({ format: FORMAT, store, heads }), "utf8");
}

/** What `encodeAnchors` made; the unit has proved that it is. @throws TypeError for what a newer release has kept. */
export function decodeAnchors(bytes: Uint8Array): Anchors {
  const { format, store, heads } = JSON.parse(Buffer.from(bytes).toString("utf8")) as Anchors & {
    readonly format: unknown;
  };
  if (format !== FORMAT) throw new TypeError("unknown format of anchors");
  return { store, heads };
}

/** Why `found` is an older database than the one that was anchored, as a clause; undefined when it is not. */
export function olderThan(found: StoreMoment, anchored: StoreMoment): string | undefined {
  if (found.epoch !== anchored.epoch) {
    const times = (epoch: number): string => `${epoch} accepted rollback${epoch === 1 ? "" : "s"}`;
    if (found.epoch > anchored.epoch) return undefined;
    return `it knows of ${times(found.epoch)}, not of ${times(anchored.epoch)}`;
  }
  if (found.mutations < anchored.mutations)
    return `it has ${found.mutations} of ${anchored.mutations} recorded changes`;
  for (const [fence, generation] of Object.entries(anchored.generations)) {
    const has = found.generations[fence] ?? 0;
    if (has < generation) return `its fence ${fence} has generation ${has}, not ${generation}`;
  }
  return undefined;
}

/** The later of two: of another epoch the later epoch, of the same the larger of every number. */
export function laterMoment(a: StoreMoment, b: StoreMoment): StoreMoment {
  if (a.epoch !== b.epoch) return a.epoch > b.epoch ? a : b;
  const generations: Record<string, number> = { ...a.generations };
  for (const [fence, generation] of Object.entries(b.generations))
    generations[fence] = Math.max(generation, generations[fence] ?? 0);
  return { epoch: a.epoch, mutations: Math.max(a.mutations, b.mutations), generations };
}

/** With these heads behind the others; of a chain the one with the highest number stays, of chains the last ones. */
export function withHeads(
  kept: readonly AnchoredHead[],
  newer: readonly AnchoredHead[],
): readonly AnchoredHead[] {
  const heads = new Map(kept.map((head) => [head.chain, head]));
  for (const head of newer) {
    const before = heads.get(head.chain);
    if (before && before.seq >= head.seq) continue;
    heads.delete(head.chain);
    heads.set(head.chain, head);
  }
  return [...heads.values()].slice(-ANCHORED_CHAINS);
}
