import type { GroupName, KekId, KeyId, MasterKeyType, ProjectId } from "../ids.ts";
import type { WrappedKek } from "../unit/crypto-unit.ts";
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

/** A key as an application names it. `mac` vouches for every other member. */
export interface KeyRecord {
  readonly id: KeyId;
  readonly projectId: ProjectId;
  readonly name: string;
  readonly spec: "AES_256";
  readonly usage: "ENCRYPT_DECRYPT";
  readonly state: KeyState;
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
  readonly createdAtMs: number;
  readonly mac: Uint8Array;
}
