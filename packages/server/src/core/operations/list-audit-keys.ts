import { publicKeysPem } from "../crypto/signing-key.ts";
import type { AuditStore } from "../ports/audit-log.ts";

/** Public keys that have ever signed the audit log, the oldest first. */
export async function listAuditKeys(ports: {
  readonly store: Pick<AuditStore, "listAuditKeys">;
}): Promise<{ fingerprint: string; pem: string; createdAt: string }[]> {
  return (await ports.store.listAuditKeys({})).map((key) => ({
    fingerprint: key.fingerprint,
    pem: publicKeysPem([key]),
    createdAt: new Date(key.createdAtMs).toISOString(),
  }));
}
