/*
 * The tables of a Barbican that a tool for project keys reads, as upstream's migrations make them (openstack/barbican:
 * barbican/model/migration/alembic_migrations, head 8c74e2d7f1ff), in the words of each database.
 */

export type Dialect = "sqlite" | "postgres" | "mysql";

export const P11_PLUGIN = "barbican.plugin.crypto.p11_crypto.P11CryptoPlugin";

const TYPES = {
  sqlite: { time: "DATETIME", bool: "BOOLEAN", end: "" },
  postgres: { time: "TIMESTAMP WITHOUT TIME ZONE", bool: "BOOLEAN", end: "" },
  mysql: { time: "DATETIME", bool: "BOOL", end: " ENGINE=InnoDB" },
} as const satisfies Record<Dialect, object>;

export function schema(dialect: Dialect): string[] {
  const { time, bool, end } = TYPES[dialect];
  const base = `id VARCHAR(36) NOT NULL, created_at ${time} NOT NULL, updated_at ${time} NOT NULL, deleted_at ${time},
    deleted ${bool} NOT NULL, status VARCHAR(20) NOT NULL`;
  return [
    `CREATE TABLE projects (${base}, external_id VARCHAR(255), PRIMARY KEY (id), UNIQUE (external_id))${end}`,
    `CREATE TABLE kek_data (${base}, plugin_name VARCHAR(255) NOT NULL, kek_label VARCHAR(255), project_id VARCHAR(36) NOT NULL,
      active ${bool} NOT NULL, bind_completed ${bool} NOT NULL, algorithm VARCHAR(255), bit_length INTEGER,
      mode VARCHAR(255), plugin_meta TEXT, PRIMARY KEY (id))${end}`,
    "CREATE INDEX ix_kek_data_project_id ON kek_data (project_id)",
    `CREATE TABLE secrets (${base}, name VARCHAR(255), secret_type VARCHAR(255), expiration ${time}, algorithm VARCHAR(255),
      bit_length INTEGER, mode VARCHAR(255), creator_id VARCHAR(255), project_id VARCHAR(36) NOT NULL, PRIMARY KEY (id))${end}`,
    `CREATE TABLE encrypted_data (${base}, content_type VARCHAR(255), secret_id VARCHAR(36) NOT NULL, kek_id VARCHAR(36) NOT NULL,
      cypher_text TEXT, kek_meta_extended TEXT, PRIMARY KEY (id))${end}`,
    "CREATE INDEX ix_encrypted_data_secret_id ON encrypted_data (secret_id)",
    "CREATE INDEX ix_encrypted_data_kek_id ON encrypted_data (kek_id)",
  ];
}

/** A project's row. `base` of each row is the same: made at one time, ACTIVE. */
export function insertProject(id: string, externalId: string): string {
  return `INSERT INTO projects VALUES ('${id}', ${BASE}, '${externalId}')`;
}

export interface KekValues {
  readonly id: string;
  readonly projectId: string;
  /** An SQL expression. */
  readonly pluginMeta: string;
  readonly plugin?: string;
  readonly isActive?: boolean;
  readonly isDeleted?: boolean;
}

export function insertKeks(rows: readonly KekValues[]): string {
  const values = rows.map(
    ({ id, projectId, pluginMeta, plugin = P11_PLUGIN, isActive = true, isDeleted = false }) =>
      `('${id}', ${isDeleted ? DELETED : BASE}, '${plugin}', 'project-key-${id}', '${projectId}', ${isActive}, true, 'AES', 256, 'CBC', ${pluginMeta})`,
  );
  return `INSERT INTO kek_data VALUES ${values.join(", ")}`;
}

/** `cypherText` is an SQL expression. */
export function insertSecret(
  id: string,
  kekId: string,
  cypherText: string,
  { isDeleted = false, meta = SECRET_META }: { readonly isDeleted?: boolean; readonly meta?: string } = {},
): string {
  return `INSERT INTO encrypted_data VALUES ('${id}', ${isDeleted ? DELETED : BASE}, 'text/plain', 'of-${id}', '${kekId}', ${cypherText}, '${meta}')`;
}

export const SECRET_META = '{"iv":"AAAA","mechanism":"CKM_AES_GCM"}';

/** What `updated_at` of every row begins with. */
export const MADE_AT = "2024-03-02";
const BASE = `'${MADE_AT} 12:00:00', '${MADE_AT} 12:00:00', NULL, false, 'ACTIVE'`;
const DELETED = `'${MADE_AT} 12:00:00', '${MADE_AT} 12:00:00', '2024-04-01 00:00:00', true, 'ACTIVE'`;
