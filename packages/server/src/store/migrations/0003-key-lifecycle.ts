import type { Definition } from "./definition.ts";

/**
 * The whole life of a key: when it is due to be destroyed, and when it was. The name of a destroyed key is free, which
 * the table of before could not say, so it is made anew, each row with its `n`. And where its material comes from: what
 * one import goes by is a row of `import_tokens`, at most one for each key. Versions of keys that sign have a public key.
 */
export const keyLifecycle: readonly Definition[] = [
  `CREATE TABLE keys_with_life (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    spec TEXT NOT NULL,
    usage TEXT NOT NULL,
    origin TEXT NOT NULL,
    state TEXT NOT NULL,
    current_version INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    deletion_due_ms INTEGER,
    destroyed_at_ms INTEGER,
    revision INTEGER NOT NULL,
    mac BLOB NOT NULL)`,
  `INSERT INTO keys_with_life 
      (n, id, project_id, name, spec, usage, origin, state, current_version, created_at_ms, revision, mac)
    SELECT n, id, project_id, name, spec, usage, 'generated', state, current_version, created_at_ms, revision, mac
    FROM keys`,
  `DROP TABLE keys`,
  `ALTER TABLE keys_with_life RENAME TO keys`,
  `CREATE UNIQUE INDEX keys_by_name ON keys (project_id, name) WHERE state <> 'destroyed'`,
  `CREATE INDEX keys_of_project ON keys (project_id, n)`,
  `CREATE INDEX keys_due ON keys (deletion_due_ms) WHERE state = 'pending-deletion'`,
  `ALTER TABLE key_versions ADD COLUMN public_key BLOB`,
  `CREATE TABLE import_tokens (
    key_id TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    kek_id TEXT NOT NULL,
    public_key BLOB NOT NULL,
    wrapped BLOB NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    mac BLOB NOT NULL)`,
  `CREATE INDEX import_tokens_by_expiry ON import_tokens (expires_at_ms)`,
];
