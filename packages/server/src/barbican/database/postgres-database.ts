import { setTimeout as sleep } from "node:timers/promises";
import type {
  BarbicanDatabase,
  KekChange,
  KekRow,
  SecretRow,
} from "../../core/barbican/barbican-database.ts";
import { runInProgress } from "./failures.ts";
import type { SecretRecord } from "./p11-rows.ts";
import {
  KEK_COLUMNS,
  P11_PLUGIN,
  PLUGIN_OF_SECRET,
  SECRET_COLUMNS,
  PROJECT_OF_KEK,
  secretRow,
} from "./p11-rows.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { PostgresConnection } from "./postgres-connection.ts";

/*
 * A Barbican on PostgreSQL. There are two connections: one reads; the other has the lock and writes, so that whoever lost
 * the lock cannot write any more. A batch is one statement, which is a transaction of its own.
 */

/** Two numbers of an advisory lock: `clav`, and rewrap. The daemon's own has another second number. */
const LOCK = [0x636c6176, 5];

/** The server lets go of it a moment after the connection of a run has ended. */
const LOCK_ATTEMPTS = 8;
const LOCK_PAUSE_MS = 250;

const SQL = {
  kekRows: `SELECT ${KEK_COLUMNS} FROM kek_data AS k WHERE k.plugin_name = $1 AND k.id > $2 ORDER BY k.id LIMIT $3`,
  projectOf: `${PROJECT_OF_KEK} $1`,
  countKekRows: "SELECT count(*)::float8 AS n FROM kek_data WHERE plugin_name = $1",
  // COLLATE "C": byte by byte, whatever the collation of the column is.
  replace: `UPDATE kek_data AS k SET plugin_meta = n.to_meta, updated_at = timezone('utc', clock_timestamp())
    FROM unnest($1::text[], $2::text[], $3::text[]) AS n (id, from_meta, to_meta)
    WHERE k.id = n.id AND k.plugin_meta COLLATE "C" = n.from_meta RETURNING k.id`,
  secretRows: `SELECT ${SECRET_COLUMNS} FROM encrypted_data AS e
    WHERE ${PLUGIN_OF_SECRET} = $1 AND e.id > $2 ORDER BY e.id LIMIT $3`,
  countSecretRows: `SELECT count(*)::float8 AS n FROM encrypted_data AS e JOIN kek_data AS k ON k.id = e.kek_id
    WHERE k.plugin_name = $1`,
} as const;

type Query = keyof typeof SQL;

export class PostgresDatabase implements BarbicanDatabase {
  readonly facts: BarbicanDatabase["facts"];
  readonly #where: string;
  readonly #reader: PostgresConnection;
  readonly #writer: PostgresConnection;

  private constructor(
    version: string,
    where: string,
    reader: PostgresConnection,
    writer: PostgresConnection,
  ) {
    this.facts = { kind: "PostgreSQL", version };
    this.#where = where;
    this.#reader = reader;
    this.#writer = writer;
  }

  /** `where` is the address for people. @throws Failure of the port. */
  static async open(address: PostgresAddress, where: string): Promise<PostgresDatabase> {
    const reader = await PostgresConnection.open(address, where);
    try {
      const [row] = await reader.query<{ server_version: string }>({
        text: "SHOW server_version",
        values: [],
      });
      for (const name of ["kekRows", "secretRows"] as const)
        await reader.query({ text: SQL[name], values: [P11_PLUGIN, "", 0] }); // are the tables there?
      const writer = await PostgresConnection.open(address, where);
      return new PostgresDatabase(row?.server_version ?? "", where, reader, writer);
    } catch (error) {
      await reader.close();
      throw error;
    }
  }

  async kekRows(after: string | null, limit: number): Promise<readonly KekRow[]> {
    const rows = await ask<KekRecord>(this.#reader, "kekRows", P11_PLUGIN, after ?? "", limit);
    return rows.map((row) => ({
      id: row.id,
      pluginMeta: row.plugin_meta,
      isActive: row.active,
      isDeleted: row.deleted,
    }));
  }

  async projectOf(kekId: string): Promise<string | null> {
    const [row] = await ask<{ readonly external_id: string | null }>(this.#reader, "projectOf", kekId);
    return row?.external_id ?? null;
  }

  countKekRows(): Promise<number> {
    return count(this.#reader, "countKekRows");
  }

  async replace(changes: readonly KekChange[]): Promise<ReadonlySet<string>> {
    const rows = await ask<{ readonly id: string }>(
      this.#writer,
      "replace",
      changes.map(({ id }) => id),
      changes.map(({ from }) => from),
      changes.map(({ to }) => to),
    );
    return new Set(rows.map(({ id }) => id));
  }

  async secretRows(after: string | null, limit: number): Promise<readonly SecretRow[]> {
    const rows = await ask<SecretRecord>(this.#reader, "secretRows", P11_PLUGIN, after ?? "", limit);
    return rows.map(secretRow);
  }

  countSecretRows(): Promise<number> {
    return count(this.#reader, "countSecretRows");
  }

  /** Proves that rows can be written, too. */
  async lockOutOthers(): Promise<void> {
    for (let attempt = 1; !(await this.#takeLock()); attempt += 1) {
      if (attempt === LOCK_ATTEMPTS) throw runInProgress(this.#where);
      await sleep(LOCK_PAUSE_MS);
    }
    await this.replace([]);
  }

  async #takeLock(): Promise<boolean> {
    const text = "SELECT pg_try_advisory_lock($1, $2) AS taken";
    const [row] = await this.#writer.query<{ readonly taken: boolean }>({ text, values: LOCK });
    return row?.taken === true;
  }

  async close(): Promise<void> {
    await this.#writer.close();
    await this.#reader.close();
  }
}

interface KekRecord {
  readonly id: string;
  readonly plugin_meta: string | null;
  readonly active: boolean;
  readonly deleted: boolean;
}

function ask<Row extends object>(
  connection: PostgresConnection,
  name: Query,
  ...values: unknown[]
): Promise<Row[]> {
  return connection.query<Row>({ name: `claviger_${name}`, text: SQL[name], values });
}

async function count(
  connection: PostgresConnection,
  name: "countKekRows" | "countSecretRows",
): Promise<number> {
  const [row] = await ask<{ readonly n: number }>(connection, name, P11_PLUGIN);
  return row?.n ?? 0;
}
