import type { RollbackMark } from "./rollback-store.ts";
import type { ProjectStore } from "./store.ts";
import type { CensusStore, ChangeStore } from "./change-store.ts";

/** A value of a row, as every dialect has it. */
export type RowValue = string | number | Uint8Array | null;

/** Rows of one table in the order of its key; `columns` names their values. */
export interface TableRows {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly RowValue[])[];
}

/** PORT: the whole database as of one moment. Failure contract: that of the store. */
export interface SnapshotStore {
  /**
   * Takes the snapshot, on a connection and in a thread of its own: writers, reads and scans of the store are not held
   * up while it stands. What is written meanwhile does not appear in it.
   */
  openSnapshot(): Promise<StoreSnapshot>;
}

export interface StoreSnapshot
  extends
    AsyncDisposable,
    Pick<ProjectStore, "readKek">,
    Pick<ChangeStore, "listFences" | "listChanges">,
    Pick<CensusStore, "census"> {
  /** Number of the newest migration that was done. */
  readonly schema: number;
  /** How many rows each table of a backup has, in the order in which they are to be read. */
  readonly counts: readonly { readonly table: string; readonly rows: number }[];
  /** At most `limit` rows behind `after`, which is `next` of the page before; `next` is undefined at the end. */
  readRows(input: {
    table: string;
    after: RowCursor | undefined;
    limit: number;
  }): Promise<TableRows & { readonly next: RowCursor | undefined }>;
}

export type RowCursor = readonly (string | number)[];

/**
 * PORT: a store that is being filled from a backup. Every call is one durable transaction. Failure contract: that of the
 * store; what is interrupted is gone on with by the same calls.
 */
export interface RestoreTarget {
  /**
   * Makes the schema of the backup in an empty store and marks it as being written, in one transaction; nothing
   * serves from it until `finish`. `resumed` says how many rows of this backup are there already. What it refuses stays as
   * it was.
   * @throws Failure `store-not-empty`, `restore-incomplete` when the store holds a part of another backup, `backup-newer`
   * when this release does not know the schema.
   */
  begin(input: {
    mark: RollbackMark;
    backupId: string;
    schema: number;
  }): Promise<{ readonly resumed: number }>;
  /** Writes rows and, with them, how many there are now. */
  writeRows(input: { batch: readonly TableRows[]; written: number }): Promise<void>;
  /** Brings the schema up to date, and lets the mark stand for an administrator to accept. */
  finish(): Promise<void>;
  close(): Promise<void>;
}
