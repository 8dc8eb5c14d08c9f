import type { FailureCode } from "../errors.ts";

/**
 * What is to be recorded, before it has its place in the audit log. Members that do not apply are left out. Nothing
 * secret may be among them: no token, plaintext, key or wrapped blob, and of an encryption context the names only.
 */
export interface AuditDraft extends Touched {
  readonly atMs: number;
  /** The route of a protocol, or an event of the service itself, as `change.transition`. */
  readonly operation: string;
  /** `intended` stands before a register command, whose outcome follows. */
  readonly outcome: "allowed" | "intended" | "alarm" | FailureCode;
  readonly request?: string | undefined;
  readonly principalId?: string | undefined;
  /** Name of the principal; `claviger` is the service itself. */
  readonly principal?: string | undefined;
}

/** What was touched. An operation fills it in as it finds out, so that a refusal says as much as was known. */
export interface Touched {
  project?: string | undefined;
  key?: string | undefined;
  version?: number | undefined;
  /** Names of the encryption context. */
  context?: readonly string[] | undefined;
  unit?: string | undefined;
  register?: string | undefined;
  change?: string | undefined;
  vp?: string | undefined;
  subject?: string | undefined;
  /** What the request named, where that was not found or not looked for. */
  asked?: string | undefined;
  note?: string | undefined;
  /** The key that signs the log from now on, introduced by the one before (packages/audit, KeyIntroduction). */
  newKey?: KeyIntroduction | undefined;
}

export interface KeyIntroduction {
  /** DER SubjectPublicKeyInfo, in base64. */
  readonly publicKey: string;
  /** Fingerprint of the key that introduces it. */
  readonly by: string;
  /** In base64. */
  readonly signature: string;
}

/** A record that was written in the transaction of what it records, to be taken over by the audit log. */
export interface OutboxRow {
  /** Counts up in the order of the transactions. */
  readonly id: number;
  /** UUID: the log takes a row over once, whatever becomes of the numbers in a restored database. */
  readonly mark: string;
  readonly draft: AuditDraft;
}
