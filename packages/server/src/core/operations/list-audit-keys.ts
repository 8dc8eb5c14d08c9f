import type { AuditKeys } from "../audit/audit-keys.ts";
import { publicKeysPem } from "../crypto/signing-key.ts";
import type { AuditKeyRecord } from "../ports/audit-log.ts";

export interface ShownAuditKey {
  readonly fingerprint: string;
  readonly pem: string;
  readonly createdAt: string;
  /** Whether it is the one that signs now. */
  readonly signs: boolean;
}

/** Public keys that have ever signed the audit log, the oldest first. */
export function listAuditKeys({ auditKeys }: { readonly auditKeys: AuditKeys }): ShownAuditKey[] {
  return auditKeys.records().map((key) => shownAuditKey(key, auditKeys.signer));
}

export function shownAuditKey(key: AuditKeyRecord, signer: string | undefined): ShownAuditKey {
  const { fingerprint, createdAtMs } = key;
  const createdAt = new Date(createdAtMs).toISOString();
  return { fingerprint, pem: publicKeysPem([key]), createdAt, signs: fingerprint === signer };
}
