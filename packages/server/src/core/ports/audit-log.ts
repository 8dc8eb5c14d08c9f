import type { Principal } from "../access/principal.ts";
import type { AuditDraft, KeyIntroduction, OutboxRow, Touched } from "../audit/audit-draft.ts";

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
  admit(caller: Pick<Principal, "grants">): void;
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
    /** Of its record: by the key that signs so far, where there is one. */
    introduction: KeyIntroduction | undefined;
  }): Promise<"added" | "exists">;
}

/** Which records are asked for. Members that are given must all fit. */
export interface AuditFilter {
  /** Name or id. */
  readonly principal?: string | undefined;
  readonly project?: string | undefined;
  readonly key?: string | undefined;
  readonly operation?: string | undefined;
  readonly outcome?: string | undefined;
  /** RFC 3339; from then on, and before then. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly order: "newest" | "oldest";
  readonly limit: number;
  /** `next` of the page before, or behind the last record that there is now. */
  readonly after: number | "end" | undefined;
}

/** A record as it is shown; its text in the log is what counts. */
export interface AuditItem extends Touched {
  readonly chain: string;
  readonly seq: number;
  readonly at: string;
  readonly operation: string;
  readonly outcome: string;
  readonly request?: string | undefined;
  readonly principalId?: string | undefined;
  readonly principal?: string | undefined;
}

export interface AuditPage {
  readonly items: readonly AuditItem[];
  /** Where the page behind this one begins. */
  readonly next: number | undefined;
}

/** A fault that verification has found; docs/audit.md explains each. */
export interface AuditFaultFound {
  readonly what: string;
  readonly chain: string;
  readonly seq: number;
  readonly detail: string;
}

/** What verification of the whole log found. */
export interface AuditVerified {
  readonly records: number;
  readonly heads: number;
  readonly chains: readonly { readonly chain: string; readonly seq: number; readonly hash: string }[];
  /** Records behind the last signed head. */
  readonly unsigned: number;
  readonly signedBy: readonly string[];
  readonly faults: readonly AuditFaultFound[];
  readonly faultCount: number;
}

/** PORT: the audit log for those who read it. It reads beside the writing, in a thread of its own. */
export interface AuditReader {
  list(filter: AuditFilter): Promise<AuditPage>;
  /** Verifies the whole log against the keys that ever signed and the head that this process knows. */
  verify(): Promise<AuditVerified>;
  /** A page of an export. @throws Failure `invalid-request` for a cursor that is none. */
  exportPage(page: { after: string | undefined; limit: number }): Promise<{
    readonly lines: string;
    readonly next: string | undefined;
  }>;
  /**
   * Moves records up to the last head that was signed before `before` (RFC 3339; by default now) into a file of the
   * archive, which is verified before anything is deleted. `file` is undefined when there is nothing to move.
   * @throws Failure `audit-damaged` when what is to be moved has a fault.
   */
  archive(input: { before: string | undefined }): Promise<{
    readonly file: string | undefined;
    readonly records: number;
  }>;
}
