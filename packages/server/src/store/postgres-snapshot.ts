import { Client } from "pg";
import type { StoreSnapshot } from "../core/ports/backup-store.ts";
import { isConnectionFailure, postgresFailure } from "./dialects/postgres-failures.ts";
import { BEGIN, postgresQueries, runStatements } from "./dialects/postgres.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { clientConfig } from "./postgres-address.ts";
import type { ScriptName } from "./scripts.ts";
import { scriptNamed } from "./scripts.ts";

/** Between two pages a backup may wait for a slow disk; what has stopped for longer must not hold vacuum up. */
const IDLE_IN_TRANSACTION_MS = 300_000;

/**
 * A snapshot of a PostgreSQL database: one read-only transaction on a connection of its own, whose isolation is that of
 * one moment. `mayRead` throws what is against it that the moment is taken. While it stands, the server keeps the
 * versions of rows that are replaced meanwhile.
 */
export async function openPostgresSnapshot(
  address: PostgresAddress,
  mayRead: () => void,
): Promise<StoreSnapshot> {
  const client = new Client({
    ...clientConfig(address),
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
  });
  client.on("error", () => undefined); // what is read next throws it
  const close = async (): Promise<void> => client.end();
  // A call through a script has the types of that script; StoreSnapshot states them.
  const call =
    (name: ScriptName) =>
    async (input: unknown): Promise<never> => {
      try {
        return (await runStatements(
          client,
          scriptNamed(name).script(postgresQueries, input as never),
        )) as never;
      } catch (error) {
        // So that `end` does not wait for an answer of a server that gives none.
        if (isConnectionFailure(error)) client.connection.stream.destroy();
        throw error;
      }
    };
  try {
    mayRead();
    await begin(client);
    // The first statement takes the moment.
    const { schema, counts } = await call("openingOfSnapshot")({});
    mayRead();
    return {
      schema,
      counts,
      readRows: call("readTableRows"),
      readKek: call("readKek"),
      listFences: call("listFences"),
      listChanges: call("listChanges"),
      census: call("census"),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function begin(client: Client): Promise<void> {
  try {
    await client.connect();
    await client.query(BEGIN.read);
  } catch (error) {
    throw postgresFailure(error);
  }
}
