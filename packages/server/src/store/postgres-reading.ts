import type { Client } from "pg";
import type { RollbackMark } from "../core/ports/rollback-store.ts";
import { BACKUP_TABLE_NAMES, LEFT_OUT } from "./backup-tables.ts";
import { LOCK } from "./database-lock.ts";
import { NEWEST_SCHEMA } from "./migrations/migrate.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { explained, isThere, OLDEST_MAJOR } from "./postgres-place.ts";
import { CONNECTIONS_AT_MOST } from "./postgres-store.ts";
import { withClient } from "./postgres-transactions.ts";

/** What a server and a database on it say of themselves; nothing is changed by asking, and no daemon is in the way. */
export interface PostgresReading {
  readonly version: string;
  readonly major: number;
  readonly oldestMajor: number;
  readonly encoding: string;
  readonly standby: boolean;
  /** As this connection has them, which is as a daemon has them. */
  readonly settings: Readonly<Record<"fsync" | "full_page_writes" | "synchronous_commit", string>>;
  /** What the server says that this connection is protected by: `TLSv1.3`. */
  readonly tls: string | null;
  readonly superuser: boolean;
  /** Whether the role may make tables. */
  readonly mayCreate: boolean;
  /** Tables of Claviger's that are another role's. */
  readonly othersTables: number;
  readonly openToAll: boolean;
  /** The newest migration; undefined where there are no tables yet. */
  readonly schema: number | undefined;
  readonly knownSchema: number;
  /** The mark of a restore that is not complete or not accepted. */
  readonly rollback: Pick<RollbackMark, "state" | "reason"> | undefined;
  /** How many connections a daemon may have beside those of others, and how many it makes at most. */
  readonly connections: { readonly room: number; readonly needed: number };
  /** Since when the lock of a daemon is held and from where; undefined where nobody has it. */
  readonly lock: { readonly since: string; readonly from: string } | undefined;
}

/** @throws Failure of the store's contract, `store-refused`, `config-invalid`. */
export async function readPostgres(address: PostgresAddress): Promise<PostgresReading> {
  try {
    return await withClient(address, readOn);
  } catch (error) {
    throw explained(error, address);
  }
}

async function readOn(client: Client): Promise<PostgresReading> {
  const { settings, connections, ...said } = await row<Said>(client, SAID, [
    [...BACKUP_TABLE_NAMES, ...Object.keys(LEFT_OUT), "daemon_terms"],
  ]);
  const [lock] = (await client.query<{ since: string; from: string }>(LOCK_HOLDER, LOCK)).rows;
  return {
    ...said,
    settings,
    oldestMajor: OLDEST_MAJOR,
    ...((await isThere(client)) ? await schemaOn(client) : { schema: undefined, rollback: undefined }),
    knownSchema: NEWEST_SCHEMA,
    connections: {
      room: Math.min(...connections.filter((room) => room !== null)),
      needed: CONNECTIONS_AT_MOST,
    },
    lock,
  };
}

async function schemaOn(client: Client): Promise<Pick<PostgresReading, "schema" | "rollback">> {
  const { schema } = await row<{ schema: number }>(client, "SELECT max(id) AS schema FROM schema_migrations");
  const marks = await client.query<{ there: boolean }>(
    "SELECT to_regclass('rollback_marks') IS NOT NULL AS there",
  );
  if (marks.rows[0]?.there !== true) return { schema, rollback: undefined };
  const { rows } = await client.query<Pick<RollbackMark, "state" | "reason">>(
    "SELECT state, reason FROM rollback_marks WHERE state != 'accepted' ORDER BY marked_at_ms LIMIT 1",
  );
  return { schema, rollback: rows[0] };
}

async function row<Row extends object>(client: Client, sql: string, values: unknown[] = []): Promise<Row> {
  const { rows } = await client.query<Row>(sql, values);
  return rows[0] as Row;
}

type Said = Pick<
  PostgresReading,
  | "version"
  | "major"
  | "encoding"
  | "standby"
  | "settings"
  | "tls"
  | "superuser"
  | "mayCreate"
  | "othersTables"
  | "openToAll"
> & { readonly connections: readonly (number | null)[] };

/**
 * Of the sessions of other roles an ordinary one sees little: not of which kind they are. `connections` is what each of three limits leaves beside the connections of others: of the server, the role,
 * the database.
 */
const SAID = `
  WITH clients AS (
    SELECT usename = current_user AS of_role, datname = current_database() AS of_database,
      NOT coalesce(application_name = 'claviger' AND datname = current_database(), false) AS others
    FROM pg_stat_activity WHERE usename IS NOT NULL AND datname IS NOT NULL)
  SELECT current_setting('server_version') AS version,
    current_setting('server_version_num')::int / 10000 AS major,
    current_setting('server_encoding') AS encoding,
    pg_is_in_recovery() AS standby,
    json_build_object('fsync', current_setting('fsync'), 'full_page_writes', current_setting('full_page_writes'),
      'synchronous_commit', current_setting('synchronous_commit')) AS settings,
    (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS tls,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS "mayCreate",
    (SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
      AND relname = ANY ($1::text[]) AND NOT pg_has_role(relowner, 'USAGE')) AS "othersTables",
    has_database_privilege('public', current_database(), 'CONNECT') AS "openToAll",
    json_build_array(
      current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0)
        - (SELECT count(*) FROM clients WHERE others),
      (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user)
        - (SELECT count(*) FROM clients WHERE others AND of_role),
      (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
        - (SELECT count(*) FROM clients WHERE others AND of_database)) AS connections`;

const LOCK_HOLDER = `
  SELECT coalesce(to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'a time not shown') AS since,
    CASE WHEN backend_start IS NULL THEN 'where is not shown' ELSE coalesce(host(client_addr), 'this machine') END AS from
  FROM pg_locks JOIN pg_stat_activity USING (pid)
  WHERE locktype = 'advisory' AND granted AND classid = $1 AND objid = $2 AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
