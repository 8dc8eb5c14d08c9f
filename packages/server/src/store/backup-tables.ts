import type { Tables } from "./tables.ts";

/**
 * What a backup holds: each table with the columns that order its rows, in the order in which they are read and written. A
 * table is here or among those that are left out; a test compares both with the schema.
 */
export const BACKUP_TABLES = {
  fences: ["id"],
  master_keys: ["id"],
  units: ["address"],
  register_generations: ["unit", "type"],
  projects: ["n"],
  keks: ["n"],
  keys: ["n"],
  key_versions: ["key_id", "version"],
  import_tokens: ["key_id"],
  principals: ["n"],
  tokens: ["n"],
  former_principals: ["id"],
  counters: ["name"],
  changes: ["n"],
  change_history: ["n"],
  sweeps: ["change_id", "unit"],
  audit_keys: ["n"],
  rollback_marks: ["id"],
} as const satisfies { readonly [T in keyof Tables]?: readonly (keyof Tables[T] & string)[] };

/** Tables that no backup holds, and why. */
export const LEFT_OUT = {
  schema_migrations: "the header has the number of the schema",
  rewrap_leases: "leases of workers that are no more",
  audit_outbox: "the log of the service that was backed up takes these records over",
} as const satisfies { readonly [T in keyof Tables]?: string };

export type BackupTable = keyof typeof BACKUP_TABLES;

export const BACKUP_TABLE_NAMES = Object.keys(BACKUP_TABLES) as BackupTable[];

export function isBackupTable(name: string): name is BackupTable {
  return Object.hasOwn(BACKUP_TABLES, name);
}
