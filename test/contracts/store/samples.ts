import type { NewKekRecord } from "../../../packages/server/src/core/hierarchy/records.ts";
import type { ChangeId, KekId, ProjectId, Vp } from "../../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../../../packages/server/src/core/ids.ts";
import type { UnitRecord } from "../../../packages/server/src/core/ports/store.ts";
import type {
  Claimed,
  ClaimRequest,
  RewrapOutcome,
  RewrapRow,
} from "../../../packages/server/src/core/ports/change-store.ts";
import { addressOf, B } from "../../model/arbitrary-facts.ts";

/** Records of the contract suite of the store, numbered: the same number is always the same record. */
export const SCOPE = { group: DEFAULT_GROUP, type: DEFAULT_TYPE };

/** Kinds: 1 changes, 2 projects, 3 KEKs, 4 keys, 5 principals. */
export const uuidOf = (kind: number, i: number): string =>
  `0000000${kind}-0000-4000-8000-${i.toString(16).padStart(12, "0")}`;
export const changeId = (i: number): ChangeId => uuidOf(1, i) as ChangeId;
export const blobOf = (vp: Vp, i: number): Uint8Array => Uint8Array.from([vp.charCodeAt(0), i >> 8, i & 255]);

/** The KEK of project `i`, with a form under each of `vps`. */
export const kek = (i: number, vps: readonly Vp[]): NewKekRecord => ({
  ...SCOPE,
  id: uuidOf(3, i) as KekId,
  projectId: uuidOf(2, i) as ProjectId,
  kcv: Uint8Array.from({ length: 16 }, () => i),
  wrapped: vps.map((vp) => ({ vp, blob: blobOf(vp, i) })),
});

export const unit = (i: number, over: Partial<UnitRecord> = {}): UnitRecord => ({
  address: addressOf(i),
  group: DEFAULT_GROUP,
  adapter: "software",
  state: "serving",
  reason: undefined,
  stateBy: "alice",
  publicKey: Uint8Array.of(i),
  addedAtMs: i,
  ...over,
});

/** A worker's request: two untried rows at 1000 ms, held for 500 ms, unless it says otherwise. */
export const claimAs = (
  owner: string,
  over: Partial<ClaimRequest> & { nowMs?: number; limit?: number } = {},
): ClaimRequest => {
  const { nowMs = 1_000, limit = 2, which = { rows: "untried" } } = over;
  return { lease: { owner, nowMs, untilMs: nowMs + 500 }, limit, which };
};

export const rowsOf = (claimed: Claimed): readonly RewrapRow[] => {
  if (claimed === "moved") throw new Error("moved");
  return claimed.rows;
};
export const numbers = (claimed: Claimed): readonly number[] => rowsOf(claimed).map(({ n }) => n);

/** Every row with a form under B. */
export const rewrapped = (rows: readonly RewrapRow[]): readonly RewrapOutcome[] =>
  rows.map(({ n, rowVersion }) => ({ n, rowVersion, outcome: { blob: blobOf(B, n) } }));
export const refused = (rows: readonly RewrapRow[]): readonly RewrapOutcome[] =>
  rows.map(({ n, rowVersion }) => ({ n, rowVersion, outcome: { refused: "mac-mismatch" } }));
