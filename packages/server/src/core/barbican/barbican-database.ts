/** A row of `kek_data` of the p11_crypto plugin, as it stands. */
export interface KekRow {
  /** A UUID as text. */
  readonly id: string;
  /** null where a bind was begun only. */
  readonly pluginMeta: string | null;
  readonly isActive: boolean;
  readonly isDeleted: boolean;
}

/** A row of `encrypted_data` whose KEK is of the p11_crypto plugin. */
export interface SecretRow {
  readonly id: string;
  readonly secretId: string;
  readonly kekId: string;
  /** plugin_meta of that KEK. */
  readonly pluginMeta: string | null;
  /** Base64 text. */
  readonly cypherText: string;
  /** JSON text. */
  readonly kekMetaExtended: string | null;
  readonly isDeleted: boolean;
}

export interface KekChange {
  readonly id: string;
  /** The value of plugin_meta that must still be there, to the byte. */
  readonly from: string;
  readonly to: string;
}

/**
 * PORT: the database of a Barbican that goes on serving from it.
 *
 * Every method throws Failure `barbican-database-failed` where the database gives no answer, and `barbican-database-unsuitable` where
 * it refuses what it is asked: whether a `replace` was done is not known
 * then, and reading the rows tells.
 */
export interface BarbicanDatabase {
  readonly facts: { readonly kind: "SQLite" | "PostgreSQL" | "MySQL" | "MariaDB"; readonly version: string };
  /**
   * Rows of every state, soft-deleted ones too, behind the row `after`, in an order of the database's own, which stays. What is
   * added meanwhile may come to stand before it.
   */
  kekRows(after: string | null, limit: number): Promise<readonly KekRow[]>;
  /** projects.external_id of the project of a KEK: what users call it. null where there is no such project any more. */
  projectOf(kekId: string): Promise<string | null>;
  /** How many there are: for a progress bar. */
  countKekRows(): Promise<number>;
  /**
   * Writes those whose value is still the one that is expected, in one transaction that is on the disk when this resolves.
   * The ids of those that were written. May be asked while another is under way, which is another transaction.
   */
  replace(changes: readonly KekChange[]): Promise<ReadonlySet<string>>;
  secretRows(after: string | null, limit: number): Promise<readonly SecretRow[]>;
  countSecretRows(): Promise<number>;
  /**
   * Keeps a second run out, on whatever machine it is. Freed by `close`, and when this process ends.
   * @throws Failure `barbican-run-in-progress` where another run has it.
   */
  lockOutOthers(): Promise<void>;
  close(): Promise<void>;
}
