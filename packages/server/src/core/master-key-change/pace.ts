/** PORT: how fast re-enciphering may go. Client traffic goes first. */
export interface Pace {
  /** Waits as long as is due after a batch; returns early when `signal` aborts. */
  afterBatch(batch: PacedBatch, signal: AbortSignal): Promise<void>;
}

export interface PacedBatch {
  readonly rows: number;
  readonly elapsedMs: number;
  /** Upper bound that the change sets, if it does. */
  readonly rowsPerSecond: number | undefined;
}
