import type { AuditDraft } from "../audit/audit-draft.ts";
import type { Identity, PrincipalRecord, TokenRecord } from "../access/principal.ts";
import type {
  ChangeId,
  GroupName,
  ImportTokenId,
  KekId,
  KeyId,
  MasterKeyType,
  PrincipalId,
  ProjectId,
  TokenId,
  UnitAddress,
  Vp,
} from "../ids.ts";
import type {
  ImportTokenRecord,
  KekRecord,
  KeyRecord,
  KeyVersionRecord,
  NewKekRecord,
  ProjectRecord,
} from "../hierarchy/records.ts";
import type { Change, Fence, HistoryEntry } from "../master-key-change/change.ts";
import type { Advance } from "../master-key-change/transitions.ts";
import type { KekRefusal } from "../unit/crypto-unit.ts";
import type { AuditStore } from "./audit-log.ts";
import type { EndedTokenStore } from "./ended-token-store.ts";
import type { RollbackStore } from "./rollback-store.ts";

/**
 * PORT: the database. Every method is one call and one transaction: no transaction can be open across an `await` of
 * the domain. A method that writes has happened durably when it resolves, or not at all.
 *
 * Failure contract: `store-full`, `store-read-only`, `store-busy`, `store-failed`, `store-damaged`. After `store-failed` a
 * write was done or was not, but it is settled: what is read afterwards says which, and it is not done later
 * (settled-store.ts looks). After the others nothing was done. Every write may fail with `store-rolled-back`. What a caller has to handle is an outcome, not an exception.
 */
export interface Store
  extends
    ProjectStore,
    KeyStore,
    KeyImportStore,
    PrincipalStore,
    TokenStore,
    EndedTokenStore,
    FormerPrincipalStore,
    UnitStore,
    ChangeStore,
    RewrapStore,
    SweepStore,
    CensusStore,
    AuditStore,
    RollbackStore {
  /** Ends threads and connections. */
  close(): Promise<void>;
}

/** The record that a mutation writes in its own transaction, if it takes effect. Without one it writes none. */
export interface Audited {
  readonly audit?: AuditDraft | undefined;
}

export interface Page {
  readonly limit: number;
  /** `next` of the page before. */
  readonly after: string | undefined;
}
export interface PageOf<Item> {
  readonly items: readonly Item[];
  readonly next: string | undefined;
}

export interface ProjectStore {
  /** `fence-moved`: the KEK does not carry exactly the patterns that the fence demands now; wrap again. */
  createProject(
    input: Audited & {
      project: ProjectRecord;
      kek: NewKekRecord;
    },
  ): Promise<"created" | "name-taken" | "fence-moved">;
  /** By id or by name. */
  findProject(input: { ref: string }): Promise<ProjectRecord | undefined>;
  listProjects(input: Page): Promise<PageOf<ProjectRecord>>;
  readKek(input: { kekId: KekId }): Promise<KekRecord | undefined>;
}

export interface KeyStore {
  /** Without a version, for a key that waits for its material. `frozen`: a change with freeze=mutations re-enciphers the KEK's master key now. */
  createKey(
    input: Audited & {
      key: KeyRecord;
      version: KeyVersionRecord | undefined;
    },
  ): Promise<"created" | "name-taken" | "frozen">;
  /** By id, or by name among those that are not destroyed, within the project. */
  findKey(input: { projectId: ProjectId; ref: string }): Promise<KeyRecord | undefined>;
  /** With those that were destroyed, or without. */
  listKeys(input: Page & { projectId: ProjectId; destroyed: boolean }): Promise<PageOf<KeyRecord>>;
  readKeyVersion(input: { keyId: KeyId; version: number }): Promise<KeyVersionRecord | undefined>;
  /** Every version, the oldest first. */
  listKeyVersions(input: { keyId: KeyId }): Promise<readonly KeyVersionRecord[]>;
  /**
   * Replaces the row if its revision still is one less than that of `key`, adding `version` with it. A key that is not
   * enabled counts as a revocation.
   */
  updateKey(
    input: Audited & {
      key: KeyRecord;
      version: KeyVersionRecord | undefined;
    },
  ): Promise<"updated" | "changed-meanwhile" | "frozen">;
  /** Keys whose deletion is pending and due by `nowMs`, the longest due first. */
  listKeysDue(input: { nowMs: number; limit: number }): Promise<readonly KeyRecord[]>;
  /**
   * Replaces the row if its revision still is one less than that of `key`, and with it overwrites the material of every
   * version of the key with nothing; `versions` have the MACs that vouch for that. Its import token goes too.
   */
  destroyKey(
    input: Audited & {
      key: KeyRecord;
      versions: readonly KeyVersionRecord[];
    },
  ): Promise<"destroyed" | "changed-meanwhile">;
}

export interface KeyImportStore {
  /** Takes the place of an earlier token of the same key. */
  putImportToken(input: Audited & { token: ImportTokenRecord }): Promise<"created">;
  findImportToken(input: { keyId: KeyId }): Promise<ImportTokenRecord | undefined>;
  /** As `updateKey` with a version; if the token still is the one of the key, which it uses up. */
  importKeyVersion(
    input: Audited & {
      key: KeyRecord;
      version: KeyVersionRecord;
      tokenId: ImportTokenId;
    },
  ): Promise<"updated" | "changed-meanwhile" | "frozen" | "token-gone">;
  /** Returns how many there were. */
  dropExpiredImportTokens(input: { nowMs: number }): Promise<number>;
}

export interface PrincipalStore {
  /** With its first token. */
  createPrincipal(
    input: Audited & {
      principal: PrincipalRecord;
      token: TokenRecord;
    },
  ): Promise<"created" | "name-taken">;
  /** By id or by name. */
  findPrincipal(input: { ref: string }): Promise<PrincipalRecord | undefined>;
  listPrincipals(input: Page): Promise<PageOf<PrincipalRecord>>;
  /**
   * Replaces the row if its revision still is one less than that of `principal`, and counts a revocation. Refused when
   * no other enabled principal would be an administrator of the whole service, and when another principal has its
   * identity or certificate.
   */
  updatePrincipal(
    input: Audited & {
      principal: PrincipalRecord;
    },
  ): Promise<"updated" | "changed-meanwhile" | "last-administrator" | "identity-taken" | "certificate-taken">;
  findPrincipalByIdentity(input: { identity: Identity }): Promise<PrincipalRecord | undefined>;
  findPrincipalByCertificate(input: { certificate: string }): Promise<PrincipalRecord | undefined>;
}

export interface TokenStore {
  createToken(input: Audited & { token: TokenRecord }): Promise<"created">;
  /** The token of that hash, with its principal. */
  findTokenByHash(input: {
    hash: Uint8Array;
  }): Promise<{ readonly token: TokenRecord; readonly principal: PrincipalRecord } | undefined>;
  findToken(input: { id: TokenId }): Promise<TokenRecord | undefined>;
  listTokens(input: { principalId: PrincipalId }): Promise<readonly TokenRecord[]>;
  /** Notes that it is revoked, if it was not, and counts a revocation. */
  revokeToken(input: Audited & { token: TokenRecord }): Promise<"revoked" | "revoked-before">;
  /** How often rights or keys were withdrawn: who admitted a request under another count looks again. */
  readRevocations(input: Record<string, never>): Promise<number>;
}

/** A principal as release 0.1.0 kept it, with the hash of its only token. */
export interface FormerPrincipal {
  readonly id: PrincipalId;
  readonly name: string;
  readonly roles: readonly string[];
  readonly tokenHash: Uint8Array;
  readonly createdAtMs: number;
  readonly mac: Uint8Array;
}

export interface FormerPrincipalStore {
  listFormerPrincipals(input: Record<string, never>): Promise<readonly FormerPrincipal[]>;
  /** Puts the row of today in the place of the former one. */
  adoptFormerPrincipal(
    input: Audited & { principal: PrincipalRecord; token: TokenRecord },
  ): Promise<"adopted" | "gone">;
}

/** `leaving`: it is being removed, and never comes back; the row goes when its sealed file is set aside. */
export type UnitState = "joining" | "serving" | "quarantined" | "leaving";

/** A unit as the database knows it: membership and standing. What it holds, only the unit itself says. */
export interface UnitRecord {
  readonly address: UnitAddress;
  readonly group: GroupName;
  readonly adapter: "software";
  readonly state: UnitState;
  readonly reason: string | undefined;
  /** Who put it into this state: a principal's name, or `claviger` when the service did it by itself. */
  readonly stateBy: string;
  readonly publicKey: Uint8Array;
  readonly addedAtMs: number;
}

export interface UnitStore {
  addUnit(input: Audited & { unit: UnitRecord }): Promise<"added" | "address-taken">;
  listUnits(input: Record<string, never>): Promise<readonly UnitRecord[]>;
  /**
   * `state-differs` when the unit is gone or no longer in one of `from`; `last-serving` when no other unit of its group
   * would serve.
   */
  setUnitState(
    input: Audited & {
      address: UnitAddress;
      from: readonly UnitState[];
      state: UnitState;
      reason: string | undefined;
      by: string;
    },
  ): Promise<"done" | "state-differs" | "last-serving">;
  /** Forgets also what was opened on it: another unit may come in its place. */
  removeUnit(input: Audited & { address: UnitAddress }): Promise<"removed" | "last-serving">;
}

export interface FenceRef {
  readonly group: GroupName;
  readonly type: MasterKeyType;
}

export interface ChangeStore {
  /** Only for the first master key of a group and type; it is there for ever. */
  createFence(input: Audited & FenceRef & { currentVp: Vp; atMs: number }): Promise<"created" | "exists">;
  readFence(input: FenceRef): Promise<Fence | undefined>;
  listFences(input: Record<string, never>): Promise<readonly Fence[]>;
  /** Opens the change if no other is open, none is being purged, and the fence's CURRENT is its `from`. */
  openChange(
    input: Audited & {
      change: Change;
      note: string;
    },
  ): Promise<"opened" | "current-differs" | { readonly open: Change }>;
  readChange(input: { id: ChangeId }): Promise<Change | undefined>;
  /** The newest first. `openOnly`: those that hold a fence, and those whose purge is approved. */
  listChanges(input: Page & { openOnly: boolean }): Promise<PageOf<Change>>;
  readHistory(input: { id: ChangeId }): Promise<readonly HistoryEntry[]>;
  /**
   * Takes the fence exclusively and does the advance, if change state and generation are still those that were read
   * and nothing is left of what must be none. The generation goes up by one.
   */
  transition(input: Audited & Transition): Promise<"done" | "moved" | { readonly left: number }>;
  /** Changes what is not state, if the change still is in `state`; approves no purge while another change is open. */
  amendChange(
    input: Audited & {
      id: ChangeId;
      state: Change["state"];
      amendment: ChangeAmendment;
      entry: HistoryEntry | undefined;
    },
  ): Promise<"done" | "moved">;
}

export interface Transition {
  readonly change: Change;
  /** Of the fence, as it was read. */
  readonly generation: number;
  readonly advance: Advance;
  readonly amendment: ChangeAmendment;
  readonly entry: HistoryEntry;
}

export type ChangeAmendment = Partial<Pick<Change, "paused" | "blockedReason" | "approval" | "canary">>;

/** A KEK row that a worker holds. `n` orders rows; `rowVersion` is what the write is conditional on. */
export interface RewrapRow {
  readonly n: number;
  readonly rowVersion: number;
  readonly projectId: ProjectId;
  readonly kekId: KekId;
  readonly kcv: Uint8Array;
  readonly blob: Uint8Array;
  /** The form of before an earlier change, when it is under the target: a restore uses it again. */
  readonly reusable: Uint8Array | undefined;
}

export interface Lease {
  /** Names the worker; a worker has one lease at a time. */
  readonly owner: string;
  readonly nowMs: number;
  readonly untilMs: number;
}

/** What a worker's write is conditional on, besides the version of each row. */
export interface WorkOrder {
  readonly changeId: ChangeId;
  readonly generation: number;
}

export interface ClaimRequest {
  readonly lease: Lease;
  readonly limit: number;
  /** `untried` rows come first; `failed` ones, the fewest attempts first, if they failed before `failedBeforeMs`. */
  readonly which: { readonly rows: "untried" } | { readonly rows: "failed"; readonly failedBeforeMs: number };
}

export interface RewrapOutcome {
  readonly n: number;
  readonly rowVersion: number;
  readonly outcome: { readonly blob: Uint8Array } | { readonly refused: KekRefusal };
}

/** `moved`: the change or its generation is another one; nothing was written. */
export type Claimed = "moved" | { readonly rows: readonly RewrapRow[]; readonly written: number };

export interface RewrapStore {
  /** Rows that lack a form under the target and that no other worker holds. */
  claimRows(input: WorkOrder & ClaimRequest): Promise<Claimed>;
  /** Writes the outcomes and, in the same transaction, claims the next rows if `next` is given. */
  commitRows(
    input: WorkOrder & {
      outcomes: readonly RewrapOutcome[];
      nowMs: number;
      next: ClaimRequest | undefined;
    },
  ): Promise<Claimed>;
  /** Leases of workers that are no more: at start, all of them. */
  dropLeases(input: Record<string, never>): Promise<void>;
  /** FINALIZING: forms move on in at most `limit` rows. Returns how many. */
  finalizeRows(input: WorkOrder & { limit: number }): Promise<"moved" | number>;
  /** CANCELING: drops the second form of at most `limit` rows. */
  dropNextForms(input: WorkOrder & { limit: number }): Promise<"moved" | number>;
  /** DONE, purge approved: drops the old form of at most `limit` rows. `generation` as read, no change open. */
  dropOldForms(input: WorkOrder & { limit: number }): Promise<"moved" | number>;
}

/** Opening of every row on one unit, in the order of `n`. */
export interface Sweep {
  readonly unit: UnitAddress;
  /** Rows up to this `n` were tried. */
  readonly cursor: number;
  readonly opened: number;
  /** Rows that did not open, oldest first, at most 100; they are tried again before the sweep is complete. */
  readonly refused: readonly number[];
  /** Nothing was left to try when the sweep last looked. */
  readonly complete: boolean;
}

export interface SweepStore {
  readSweeps(input: { changeId: ChangeId }): Promise<readonly Sweep[]>;
  /** Rows after the cursor (or exactly those of `only`) with their form under `vp`; rows that have none are left out. */
  readSweepRows(
    input: FenceRef & {
      vp: Vp;
      after: number;
      only: readonly number[] | undefined;
      limit: number;
    },
  ): Promise<{
    readonly rows: readonly RewrapRow[];
    readonly lacking: readonly number[];
    readonly last: number;
  }>;
  writeSweep(input: { changeId: ChangeId; sweep: Sweep }): Promise<void>;
}

/** How many rows carry which pattern as form in use, second form, and form of before. */
export interface CensusLine {
  readonly vp: Vp;
  readonly current: number;
  readonly next: number;
  readonly previous: number;
}

export interface RowProgress {
  readonly keks: number;
  /** Rows without a form under the target. */
  readonly lacking: number;
  /** Of these, rows whose last attempt of this change failed. */
  readonly failed: number;
  readonly underFrom: number;
  readonly withTargetAsNext: number;
  readonly keepingFrom: number;
}

export interface FailedRow {
  readonly projectId: ProjectId;
  readonly kekId: KekId;
  readonly reason: string;
  readonly attempt: number;
  readonly atMs: number;
}

export interface CensusStore {
  census(input: FenceRef): Promise<readonly CensusLine[]>;
  /** Counts for a change; `to` may not be known yet. */
  countProgress(input: FenceRef & { changeId: ChangeId; from: Vp; to: Vp | undefined }): Promise<RowProgress>;
  listFailedRows(input: { changeId: ChangeId; limit: number }): Promise<readonly FailedRow[]>;
  /** Rows spread evenly over all, with their form in use: what `plan` opens. */
  sampleRows(input: FenceRef & { limit: number }): Promise<readonly (RewrapRow & { readonly vp: Vp })[]>;
  /** Every pattern that master keys of the group ever had: a restored backup can name its key. */
  listPatterns(input: FenceRef): Promise<readonly { readonly vp: Vp; readonly firstSeenMs: number }[]>;
}
