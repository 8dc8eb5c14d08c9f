import type { HeadRef } from "./entry.ts";

/**
 * What can be wrong with a log, and where:
 * - record-altered: text and hash of a record do not belong together;
 * - record-missing: numbers are left out; record-misplaced: a number comes twice, or where it does not belong;
 * - head-differs: records up to a signed head are not those that were signed, though their hashes fit each other;
 * - truncated: a signature, or the next chain, names a record behind the last one of a chain;
 * - chain-altered: the beginning of a chain is not its own; chain-missing: a chain follows one that is not there;
 * - chain-fork: two chains follow the same one, or one has records behind the one that its successor follows;
 * - base-unsigned: records begin in the midst of a chain without a signed head for what was before;
 * - signature-invalid; key-untrusted: a head is signed by a key that is not among those that may sign;
 * - known-head-missing: a head that was seen before is not in the log: it is an older one, or another;
 * - line-unreadable; cut: the last line of an export is not there, or counts more than there is.
 */
export type AuditFaultKind =
  | "record-altered"
  | "record-missing"
  | "record-misplaced"
  | "head-differs"
  | "truncated"
  | "chain-altered"
  | "chain-missing"
  | "chain-fork"
  | "base-unsigned"
  | "signature-invalid"
  | "key-untrusted"
  | "known-head-missing"
  | "line-unreadable"
  | "cut";

export interface AuditFault {
  readonly what: AuditFaultKind;
  /** Empty where no chain has begun. */
  readonly chain: string;
  /** Number of the record, or of the first of several; 0 for what concerns the chain. */
  readonly seq: number;
  /** One sentence for people. */
  readonly detail: string;
}

export interface Verification {
  readonly records: number;
  readonly heads: number;
  /** Each chain with its last record. */
  readonly chains: readonly HeadRef[];
  /** Records behind the last signed head: their hashes fit, but nobody has signed them yet. */
  readonly unsigned: number;
  /** Fingerprints of the keys that have signed. */
  readonly signedBy: readonly string[];
  /** The first thousand. */
  readonly faults: readonly AuditFault[];
  readonly faultCount: number;
}
