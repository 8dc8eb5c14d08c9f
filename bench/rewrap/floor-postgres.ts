import { createSecretKey, randomBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { Client } from "pg";
import type { PostgresAddress } from "../../packages/server/src/store/postgres-address.ts";
import type { FloorRewrap } from "./floor.ts";
import { rewrap, TRANSACTION_ROWS, wrap } from "./floor.ts";

/** The plain loop of floor.ts on PostgreSQL: each UPDATE is a prepared statement that is awaited, transactions of 500. */
export async function floorRewrapPostgres(address: PostgresAddress, rows: number): Promise<FloorRewrap> {
  const client = new Client({ ...address, ssl: false, options: "-c synchronous_commit=on" });
  await client.connect();
  try {
    await client.query("CREATE TABLE kek (n BIGINT PRIMARY KEY, wrapped BYTEA NOT NULL)");
    const [oldKey, newKey] = [createSecretKey(randomBytes(32)), createSecretKey(randomBytes(32))];
    await fill(client, oldKey, rows);
    const started = process.hrtime.bigint();
    await rewrapAll(client, oldKey, newKey);
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    return { rows, seconds, rowsPerSecond: Math.round(rows / seconds) };
  } finally {
    await client.end();
  }
}

async function fill(client: Client, key: KeyObject, rows: number): Promise<void> {
  const insert = "INSERT INTO kek SELECT * FROM unnest($1::bigint[], $2::bytea[])";
  for (let done = 0; done < rows; done += TRANSACTION_ROWS) {
    const numbers = Array.from({ length: Math.min(TRANSACTION_ROWS, rows - done) }, (_, i) => done + i + 1);
    await client.query(insert, [numbers, numbers.map(() => wrap(key, randomBytes(32)))]);
  }
  await client.query("VACUUM ANALYZE kek");
  await client.query("CHECKPOINT");
}

async function rewrapAll(client: Client, oldKey: KeyObject, newKey: KeyObject): Promise<void> {
  const select = { name: "select", text: "SELECT n, wrapped FROM kek WHERE n > $1 ORDER BY n LIMIT $2" };
  const update = { name: "update", text: "UPDATE kek SET wrapped = $1 WHERE n = $2" };
  for (let last = "0"; ;) {
    const batch = await client.query<{ n: string; wrapped: Buffer }>({
      ...select,
      values: [last, TRANSACTION_ROWS],
    });
    if (batch.rows.length === 0) return;
    await client.query("BEGIN");
    for (const { n, wrapped } of batch.rows) {
      await client.query({ ...update, values: [rewrap(oldKey, newKey, wrapped), n] });
      last = n;
    }
    await client.query("COMMIT");
  }
}
