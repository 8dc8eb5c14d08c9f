import type { ProjectId } from "../ids.ts";

/**
 * The project that holds Claviger's own secrets (the key of the row MACs, that of backups, the one that seals the audit keys): a project like any other to a master-key
 * change, and none at all to callers. Its name is no name that a caller could give.
 */
export const RESERVED_PROJECT_ID = "00000000-0000-4000-8000-00000000c1a5" as ProjectId;
export const RESERVED_PROJECT_NAME = "(claviger)";
export const ROW_MAC_KEY_NAME = "(row-mac)";
/** Seals the private keys that sign the audit log. */
export const AUDIT_KEY_NAME = "(audit)";
/** Seals the file keys of backups; made at the first backup. */
export const BACKUP_KEY_NAME = "(backup)";

export function isReservedProject(id: ProjectId): boolean {
  return id === RESERVED_PROJECT_ID;
}
