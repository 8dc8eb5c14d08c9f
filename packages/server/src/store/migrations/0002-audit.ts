/**
 * The outbox of the audit log: a mutation leaves its record here in its own transaction, and the log takes it over
 * exactly once. AUTOINCREMENT, so that a number is never used again after its row is dropped. And the keys that sign
 * the log's heads, the private halves sealed.
 */
export const audit: readonly string[] = [
  `CREATE TABLE audit_outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mark TEXT NOT NULL UNIQUE,
    draft TEXT NOT NULL)`,
  `CREATE TABLE audit_keys (
    n INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    public_key BLOB NOT NULL,
    sealed BLOB NOT NULL,
    created_at_ms INTEGER NOT NULL)`,
];
