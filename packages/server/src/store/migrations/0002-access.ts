import type { Definition } from "./definition.ts";

/**
 * Principals with grants, states and tokens of their own, and the count of revocations. Rows of release 0.1.0 wait in
 * `former_principals` until the daemon, which alone can check and make their MACs, has adopted them.
 */
export const access: readonly Definition[] = [
  `ALTER TABLE principals RENAME TO former_principals`,
  `CREATE TABLE principals (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    grants TEXT NOT NULL,
    requests_per_second INTEGER,
    created_at_ms INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    mac BLOB NOT NULL)`,
  `CREATE TABLE tokens (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    principal_id TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    label TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER,
    revoked_at_ms INTEGER,
    mac BLOB NOT NULL)`,
  `CREATE INDEX tokens_by_principal ON tokens (principal_id)`,
  `CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL)`,
  `INSERT INTO counters (name, value) VALUES ('revocations', 0)`,
];
