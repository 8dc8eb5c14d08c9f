import type { AuditDraft, OutboxRow } from "../audit/audit-draft.ts";

/**
 * PORT: the audit log of this node, a chain of records.
 *
 * Failure contract: `audit-unavailable` within a second, whatever is wrong with the disk. A record of a call that
 * failed may nevertheless become durable; the log then says so in another one.
 */
export interface AuditLog {
  /** Resolves when the record is durable. */
  append(draft: AuditDraft): Promise<void>;
  /** Has the record written as soon as the log can be: for what was done, and whose author has been answered. */
  appendLater(draft: AuditDraft): void;
  /** Takes records over that a transaction has left, each once for ever. Resolves when they are durable. */
  takeOver(rows: readonly OutboxRow[]): Promise<void>;
  /**
   * Lets a request begin.
   * @throws Failure `audit-unavailable` while the log cannot be written; while it lives on its reserve, administrators
   * may act.
   */
  admit(caller: { readonly roles: readonly string[] }): void;
  /** Why the log cannot be written: one sentence for each reason. */
  troubles(): readonly string[];
  /** Signs the head now: after what must not be denied later. Does nothing before the log has its key. */
  signHead(): void;
}

/** A key that signs heads. The public half is kept for ever. */
export interface AuditKeyRecord {
  /** SHA-256 of the public key in DER, 64 hex digits. */
  readonly fingerprint: string;
  /** DER SubjectPublicKeyInfo of an Ed25519 key. */
  readonly publicKey: Uint8Array;
  /** The private half (PKCS#8) as a ciphertext under a key of the reserved project. */
  readonly sealed: Uint8Array;
  readonly createdAtMs: number;
}

/** The part of the main store that the audit log needs. */
export interface AuditStore {
  /** Rows behind `after`, the oldest first. */
  listOutbox(input: { after: number; limit: number }): Promise<readonly OutboxRow[]>;
  /** Drops rows that the log has taken over. */
  dropOutbox(input: { ids: readonly number[] }): Promise<void>;
  listAuditKeys(input: Record<string, never>): Promise<readonly AuditKeyRecord[]>;
  addAuditKey(input: {
    readonly audit?: AuditDraft | undefined;
    key: AuditKeyRecord;
  }): Promise<"added" | "exists">;
}
