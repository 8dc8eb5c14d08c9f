import type { BatchOutcome, BatchScope, MasterKeyInUse } from "./kek-batch.ts";
import { reencipherRows, verifyRows } from "./kek-batch.ts";

/** One batch: `to` is there for re-enciphering and absent for verification. `rows` are packed, and given away. */
export interface BatchCall {
  readonly rows: Uint8Array<ArrayBuffer>;
  readonly scope: BatchScope;
  readonly from: MasterKeyInUse;
  readonly to: MasterKeyInUse | undefined;
}

/** What goes to the batch thread, and what it answers; `id` pairs them. */
export interface BatchRequestMessage {
  readonly id: number;
  readonly call: BatchCall;
}

export interface BatchAnswerMessage {
  readonly id: number;
  readonly outcome: BatchOutcome;
}

/** Does the call where it is called: in the batch thread, or inline. */
export function runBatchCall({ rows, scope, from, to }: BatchCall): BatchOutcome {
  return to ? reencipherRows(rows, scope, from, to) : verifyRows(rows, scope, from);
}
