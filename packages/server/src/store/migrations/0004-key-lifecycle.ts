/**
 * The whole life of a key: when it is due to be destroyed, and when it was. The name of a destroyed key is free, which
 * the table of before could not say, so it is made anew, each row with its `n`.
 */
export const keyLifecycle: readonly string[] = [
  `CREATE TABLE keys_with_life (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    spec TEXT NOT NULL,
    usage TEXT NOT NULL,
    state TEXT NOT NULL,
    current_version INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    deletion_due_ms INTEGER,
    destroyed_at_ms INTEGER,
    revision INTEGER NOT NULL,
    mac BLOB NOT NULL)`,
  `INSERT INTO keys_with_life (n, id, project_id, name, spec, usage, state, current_version, created_at_ms, revision, mac)
    SELECT n, id, project_id, name, spec, usage, state, current_version, created_at_ms, revision, mac FROM keys`,
  `DROP TABLE keys`,
  `ALTER TABLE keys_with_life RENAME TO keys`,
  `CREATE UNIQUE INDEX keys_by_name ON keys (project_id, name) WHERE state <> 'destroyed'`,
  `CREATE INDEX keys_of_project ON keys (project_id, n)`,
  `CREATE INDEX keys_due ON keys (deletion_due_ms) WHERE state = 'pending-deletion'`,
];
