import type { SecretRow } from "../../core/barbican/barbican-database.ts";

/*
 * The rows of Barbican that belong to its p11_crypto plugin (openstack/barbican: barbican/model/models.py). What is alike for
 * all databases; each adapter adds its own spelling of parameters, casts and limits.
 *
 * - Rows of every state are read: inactive ones are needed by the secrets that name them, soft-deleted ones by backups.
 * - Pages go by a key that stays, so that each costs the same and none misses what was there before the first.
 * - What belongs to a row is looked up by a subquery, row by row. A join leaves it to the planner, who has been seen to read the
 *   whole of the other table for each page.
 * - `updated_at` is set to the time in UTC when a row is written, as SQLAlchemy does it for upstream's own rewrap
 *   (`onupdate=timeutils.utcnow`): who compares backups by it sees what has changed. Barbican itself picks rows by
 *   `created_at` only.
 */

/** `kek_data.plugin_name` of the plugin. */
export const P11_PLUGIN = "barbican.plugin.crypto.p11_crypto.P11CryptoPlugin";

/** Of `kek_data AS k`. */
export const KEK_COLUMNS = "k.id, k.plugin_meta, k.active, k.deleted";

/** Of a KEK, by its id. */
export const PROJECT_OF_KEK =
  "SELECT p.external_id FROM kek_data AS k JOIN projects AS p ON p.id = k.project_id WHERE k.id =";

/** Of `encrypted_data AS e`, and of its KEK. */
export const SECRET_COLUMNS = `e.id, e.secret_id, e.kek_id, e.cypher_text, e.kek_meta_extended, e.deleted,
  (SELECT k.plugin_meta FROM kek_data AS k WHERE k.id = e.kek_id) AS plugin_meta`;

/** Whose KEK a secret has. */
export const PLUGIN_OF_SECRET = "(SELECT k.plugin_name FROM kek_data AS k WHERE k.id = e.kek_id)";

/** SECRET_COLUMNS as the drivers give them. */
export interface SecretRecord {
  readonly id: string;
  readonly secret_id: string;
  readonly kek_id: string;
  readonly plugin_meta: string | null;
  readonly cypher_text: string | null;
  readonly kek_meta_extended: string | null;
  /** 0 and 1 where the database has no booleans. */
  readonly deleted: boolean | number;
}

export function secretRow(record: SecretRecord): SecretRow {
  return {
    id: record.id,
    secretId: record.secret_id,
    kekId: record.kek_id,
    pluginMeta: record.plugin_meta,
    cypherText: record.cypher_text ?? "",
    kekMetaExtended: record.kek_meta_extended,
    isDeleted: Boolean(record.deleted),
  };
}
