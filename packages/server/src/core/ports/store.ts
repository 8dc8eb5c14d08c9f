import type { Identity, PrincipalRecord, TokenRecord } from "../access/principal.ts";
import type {
  GroupName,
  ImportTokenId,
  KekId,
  KeyId,
  MasterKeyType,
  PrincipalId,
  ProjectId,
  TokenId,
  UnitAddress,
} from "../ids.ts";
import type {
  ImportTokenRecord,
  KekRecord,
  KeyRecord,
  KeyVersionRecord,
  NewKekRecord,
  ProjectRecord,
} from "../hierarchy/records.ts";
import type { AuditStore } from "./audit-log.ts";
import type { EndedTokenStore } from "./ended-token-store.ts";
import type { RollbackStore } from "./rollback-store.ts";
import type { CensusStore, ChangeStore, RewrapStore, SweepStore } from "./change-store.ts";
import type { Audited, Page, PageOf } from "./store-call.ts";
import type { UnitAdapter } from "../unit/crypto-unit.ts";

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
  readonly adapter: UnitAdapter;
  readonly state: UnitState;
  readonly reason: string | undefined;
  /** Who put it into this state: a principal's name, or `claviger` when the service did it by itself. */
  readonly stateBy: string;
  readonly publicKey: Uint8Array;
  readonly addedAtMs: number;
}

/** How far a unit had come in counting its master keys when the database last heard of it (unit/generations.ts). */
export interface SeenGeneration {
  readonly unit: UnitAddress;
  readonly type: MasterKeyType;
  readonly generation: number;
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
  /** Forgets also what was opened and seen on it: another unit may come in its place. */
  removeUnit(input: Audited & { address: UnitAddress }): Promise<"removed" | "last-serving">;
  /** A lower one than is kept changes nothing. */
  noteGeneration(input: SeenGeneration): Promise<void>;
  listGenerations(input: Record<string, never>): Promise<readonly SeenGeneration[]>;
}
