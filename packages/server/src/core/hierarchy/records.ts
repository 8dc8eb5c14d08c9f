import type { GroupName, ImportTokenId, KekId, KeyId, MasterKeyType, ProjectId } from "../ids.ts";
import type { WrappedKek } from "../unit/crypto-unit.ts";
import type { KeySpec, KeyUsage } from "./key-specs.ts";
import type { KeyState } from "./key-states.ts";

/** What the store keeps of the key hierarchy. Times are milliseconds since the epoch. */

export interface ProjectRecord {
  readonly id: ProjectId;
  readonly name: string;
  readonly kekId: KekId;
  readonly createdAtMs: number;
}

/** A KEK to be stored: its wrapped forms carry exactly the patterns that the fence demanded when it was made. */
export interface NewKekRecord {
  readonly id: KekId;
  readonly projectId: ProjectId;
  readonly group: GroupName;
  readonly type: MasterKeyType;
  readonly kcv: Uint8Array;
  readonly wrapped: readonly WrappedKek[];
}

/** A stored KEK. While a change is open it has a second form; after one it keeps the form of before until purge. */
export interface KekRecord {
  readonly id: KekId;
  readonly projectId: ProjectId;
  readonly group: GroupName;
  readonly type: MasterKeyType;
  readonly kcv: Uint8Array;
  readonly wrapped: WrappedKek;
  readonly wrappedNew: WrappedKek | undefined;
  readonly wrappedOld: WrappedKek | undefined;
}

export type KeyOrigin = "generated" | "imported";

/** A key as an application names it. `mac` vouches for every other member. */
export interface KeyRecord {
  readonly id: KeyId;
  readonly projectId: ProjectId;
  readonly name: string;
  readonly spec: KeySpec;
  readonly usage: KeyUsage;
  /** Where the material of every version comes from: a unit, or whoever imports it. Never changes. */
  readonly origin: KeyOrigin;
  readonly state: KeyState;
  /** 0 while there is none. */
  readonly currentVersion: number;
  readonly createdAtMs: number;
  /** When it is due to be destroyed, while its deletion is pending; stays when it was. */
  readonly deletionDueMs: number | undefined;
  readonly destroyedAtMs: number | undefined;
  /** Counts every change of the row. */
  readonly revision: number;
  readonly mac: Uint8Array;
}

/**
 * One version of a key: its material under the KEK of the project, no bytes at all once the key was destroyed. `mac`
 * vouches for every other member.
 */
export interface KeyVersionRecord {
  readonly keyId: KeyId;
  readonly projectId: ProjectId;
  readonly version: number;
  readonly kekId: KekId;
  readonly wrapped: Uint8Array;
  /** DER SubjectPublicKeyInfo, of a key that signs. */
  readonly publicKey: Uint8Array | undefined;
  readonly createdAtMs: number;
  readonly mac: Uint8Array;
}

/**
 * What one import of material into one key goes by: a public key, and its private half wrapped by the KEK of the project.
 * A key has one at most. `mac` vouches for every other member.
 */
export interface ImportTokenRecord {
  readonly id: ImportTokenId;
  readonly keyId: KeyId;
  readonly projectId: ProjectId;
  readonly kekId: KekId;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly wrapped: Uint8Array;
  readonly expiresAtMs: number;
  readonly mac: Uint8Array;
}
