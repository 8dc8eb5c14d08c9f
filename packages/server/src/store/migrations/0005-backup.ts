import type { Definition } from "./definition.ts";

/** Marks of restores and of databases that were found older than they should be (core/ports/rollback-store.ts). */
export const backup: readonly Definition[] = [
  `CREATE TABLE rollback_marks (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    as_of_ms INTEGER,
    backup_id TEXT,
    rows_written INTEGER NOT NULL,
    marked_at_ms INTEGER NOT NULL,
    accepted_by TEXT,
    accepted_at_ms INTEGER)`,
  `CREATE INDEX rollback_marks_open ON rollback_marks (marked_at_ms) WHERE state != 'accepted'`,
];
