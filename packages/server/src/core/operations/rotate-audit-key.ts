import type { AuditKeys } from "../audit/audit-keys.ts";
import type { RollbackStore } from "../ports/rollback-store.ts";
import type { ShownAuditKey } from "./list-audit-keys.ts";
import { shownAuditKey } from "./list-audit-keys.ts";
import { requireNoRollback } from "./require-no-rollback.ts";

/**
 * Has the audit log signed by another key from now on, which the one before introduces.
 * @throws Failure `store-rolled-back`: what continues the log is not decided yet.
 */
export async function rotateAuditKey(ports: {
  readonly store: Pick<RollbackStore, "readRollback">;
  readonly auditKeys: AuditKeys;
}): Promise<ShownAuditKey> {
  await requireNoRollback(ports);
  const record = await ports.auditKeys.rotate();
  return shownAuditKey(record, ports.auditKeys.signer);
}
