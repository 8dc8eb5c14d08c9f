import type { ExecuteValues, RowDataPacket } from "mysql2/promise";
import type {
  BarbicanDatabase,
  KekChange,
  KekRow,
  SecretRow,
} from "../../core/barbican/barbican-database.ts";
import { runInProgress } from "./failures.ts";
import { MysqlConnection } from "./mysql-connection.ts";
import type { SecretRecord } from "./p11-rows.ts";
import {
  KEK_COLUMNS,
  P11_PLUGIN,
  PLUGIN_OF_SECRET,
  PROJECT_OF_KEK,
  SECRET_COLUMNS,
  secretRow,
} from "./p11-rows.ts";
import type { ServerAddress } from "./server-address.ts";

/*
 * A Barbican on MySQL or MariaDB. There are two connections: one reads; the other has the lock and writes, so that whoever
 * lost the lock cannot write any more.
 *
 * - A batch is a transaction of two statements: the rows are read and held, so that what is there is compared here, to the
 *   byte and by no collation; then those that still are as expected are written by one statement.
 * - The lock is of one server: in a Galera cluster two runs must go to the same node, as they do behind one address.
 */

/** The server lets go of it a moment after the connection of a run has ended. */
const LOCK_SECONDS = 2;

const SQL = {
  kekRows: (limit: number) =>
    `SELECT ${KEK_COLUMNS} FROM kek_data AS k WHERE k.plugin_name = ? AND k.id > ? ORDER BY k.id LIMIT ${limit}`,
  projectOf: `${PROJECT_OF_KEK} ?`,
  countKekRows: "SELECT count(*) AS n FROM kek_data WHERE plugin_name = ?",
  secretRows: (limit: number) =>
    `SELECT ${SECRET_COLUMNS} FROM encrypted_data AS e
    WHERE ${PLUGIN_OF_SECRET} = ? AND e.id > ? ORDER BY e.id LIMIT ${limit}`,
  countSecretRows:
    "SELECT count(*) AS n FROM encrypted_data AS e JOIN kek_data AS k ON k.id = e.kek_id WHERE k.plugin_name = ?",
  hold: (rows: number) =>
    `SELECT id, plugin_meta FROM kek_data WHERE id IN (${Array(rows).fill("?").join(", ")}) FOR UPDATE`,
  collation: `SELECT COLLATION_NAME AS collation, CHARACTER_SET_NAME AS charset FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'kek_data' AND COLUMN_NAME = 'id'`,
  lock: `SELECT GET_LOCK(CONCAT('claviger rewrap ', LEFT(DATABASE(), 40)), ${LOCK_SECONDS}) AS taken`,
  probe: "UPDATE kek_data SET plugin_meta = plugin_meta, updated_at = updated_at WHERE id = ''",
} as const;

export class MysqlDatabase implements BarbicanDatabase {
  readonly facts: BarbicanDatabase["facts"];
  readonly #where: string;
  readonly #reader: MysqlConnection;
  readonly #writer: MysqlConnection;
  readonly #givenId: string;

  private constructor(
    version: string,
    givenId: string,
    where: string,
    connections: readonly MysqlConnection[],
  ) {
    this.facts = { kind: version.includes("MariaDB") ? "MariaDB" : "MySQL", version };
    this.#where = where;
    [this.#reader, this.#writer] = connections as [MysqlConnection, MysqlConnection];
    this.#givenId = givenId;
  }

  /** `where` is the address for people. @throws Failure of the port. */
  static async open(address: ServerAddress, where: string): Promise<MysqlDatabase> {
    const reader = await MysqlConnection.open(address, where);
    try {
      for (const sql of [SQL.kekRows(0), SQL.secretRows(0)]) await ask(reader, sql, P11_PLUGIN, ""); // are the tables there?
      const [server] = await ask<{ version: string }>(reader, "SELECT VERSION() AS version");
      const givenId = await givenIdOf(reader);
      const writer = await MysqlConnection.open(address, where);
      return new MysqlDatabase(server?.version ?? "", givenId, where, [reader, writer]);
    } catch (error) {
      await reader.close();
      throw error;
    }
  }

  async kekRows(after: string | null, limit: number): Promise<readonly KekRow[]> {
    const rows = await ask<KekRecord>(this.#reader, SQL.kekRows(limit), P11_PLUGIN, after ?? "");
    return rows.map((row) => ({
      id: row.id,
      pluginMeta: row.plugin_meta,
      isActive: row.active !== 0,
      isDeleted: row.deleted !== 0,
    }));
  }

  async projectOf(kekId: string): Promise<string | null> {
    const [row] = await ask<{ external_id: string | null }>(this.#reader, SQL.projectOf, kekId);
    return row?.external_id ?? null;
  }

  countKekRows(): Promise<number> {
    return count(this.#reader, SQL.countKekRows);
  }

  async replace(changes: readonly KekChange[]): Promise<ReadonlySet<string>> {
    if (changes.length === 0) return new Set();
    return this.#writer.transaction(async () => {
      const ids = changes.map(({ id }) => id);
      const held = await ask<{ id: string; plugin_meta: string }>(this.#writer, SQL.hold(ids.length), ...ids);
      const metas = new Map(held.map((row) => [row.id, row.plugin_meta]));
      const due = changes.filter(({ id, from }) => metas.get(id) === from);
      if (due.length > 0)
        await this.#writer.execute(
          this.#update(due.length),
          due.flatMap(({ id, to }) => [id, to]),
        );
      return new Set(due.map(({ id }) => id));
    });
  }

  async secretRows(after: string | null, limit: number): Promise<readonly SecretRow[]> {
    const rows = await ask<SecretRecord>(this.#reader, SQL.secretRows(limit), P11_PLUGIN, after ?? "");
    return rows.map(secretRow);
  }

  countSecretRows(): Promise<number> {
    return count(this.#reader, SQL.countSecretRows);
  }

  /** Proves that rows can be written, too. */
  async lockOutOthers(): Promise<void> {
    const [row] = await ask<{ taken: number | null }>(this.#writer, SQL.lock);
    if (row?.taken !== 1) throw runInProgress(this.#where);
    await this.#writer.execute(SQL.probe);
  }

  async close(): Promise<void> {
    await this.#writer.close();
    await this.#reader.close();
  }

  #update(rows: number): string {
    const first = `SELECT ${this.#givenId} AS id, CAST(? AS CHAR) AS meta`;
    const more = `SELECT ${this.#givenId}, CAST(? AS CHAR)`;
    const given = [first, ...Array<string>(rows - 1).fill(more)].join(" UNION ALL ");
    return `UPDATE kek_data AS k JOIN (${given}) AS n ON k.id = n.id SET k.plugin_meta = n.meta, k.updated_at = UTC_TIMESTAMP()`;
  }
}

interface KekRecord {
  readonly id: string;
  readonly plugin_meta: string | null;
  readonly active: number;
  readonly deleted: number;
}

/** An id that is given, in the collation of the column: of another one the join would read the whole table for each row. */
async function givenIdOf(connection: MysqlConnection): Promise<string> {
  const [column] = await ask<{ collation: string; charset: string }>(connection, SQL.collation);
  if (!column) throw new Error("information_schema has no kek_data.id, which was read a moment ago");
  return `CONVERT(? USING ${name(column.charset)}) COLLATE ${name(column.collation)}`;
}

/** A name out of the server's own tables, as it may stand in a statement. */
function name(text: string): string {
  if (!/^\w+$/.test(text)) throw new Error("a character set or collation has a name that is none");
  return text;
}

async function ask<Row extends object>(
  connection: MysqlConnection,
  sql: string,
  ...values: ExecuteValues[]
): Promise<Row[]> {
  return connection.execute<(Row & RowDataPacket)[]>(sql, values);
}

async function count(connection: MysqlConnection, sql: string): Promise<number> {
  const [row] = await ask<{ readonly n: number }>(connection, sql, P11_PLUGIN);
  return row?.n ?? 0;
}
