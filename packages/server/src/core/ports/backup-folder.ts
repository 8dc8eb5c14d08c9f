/** PORT: where backups are kept. Files are for their owner only. */
export interface BackupFolder {
  /**
   * Begins a file that has its name only when it is whole.
   * @throws Failure `backup-not-written`; so do the methods of the sink.
   */
  create(name: string): Promise<BackupSink>;
  /** The oldest first. @throws Failure `backup-unreadable`. */
  list(): Promise<readonly string[]>;
  /** @throws Failure `backup-not-found`, `backup-unreadable`. */
  open(name: string): Promise<BackupSource>;
}

export interface BackupSink {
  write(bytes: Uint8Array): Promise<void>;
  /** Makes it durable under its name. A file of that name is not replaced. */
  keep(): Promise<void>;
  /** Removes what was written. Does not throw. */
  discard(): Promise<void>;
}

/** A backup to be read from anywhere. */
export interface BackupSource extends AsyncDisposable {
  readonly name: string;
  readonly sizeBytes: number;
  /** Exactly `lengthBytes` bytes, or what is left of it. @throws Failure `backup-unreadable`. */
  read(offset: number, lengthBytes: number): Promise<Uint8Array>;
}
