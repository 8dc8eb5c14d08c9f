import type { PoolClient } from "pg";
import { Client, Pool } from "pg";
import { isFailure } from "../core/errors.ts";
import { isConnectionFailure, isWorthRepeating, postgresFailure } from "./dialects/postgres-failures.ts";
import type { Begin } from "./dialects/postgres.ts";
import { BEGIN, isInOrder, runTransaction } from "./dialects/postgres.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { clientConfig } from "./postgres-address.ts";
import type { Script } from "./script.ts";

/** How often a transaction that lost against another one is run before the call fails. */
const ATTEMPTS = 8;

export function newPool(address: PostgresAddress, max: number): Pool {
  const pool = new Pool({ ...clientConfig(address), max, idleTimeoutMillis: 60_000 });
  // A connection that is lost is reported by the statement that needed it; while it is idle, nobody did.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

export interface Hooks {
  /** Throws what is against it that a transaction begins or commits. */
  readonly mayCommit: () => void;
  /** Called when a connection that wrote is lost, before the call fails. */
  readonly settle: (client: PoolClient) => Promise<void>;
}

/**
 * Ends the server's side of a lost connection, which may still do what was asked of it last. Afterwards what it did can be
 * read, and what it did not do will never be. Nothing is known while the server cannot be reached; then nothing can be
 * read either.
 */
export async function settle(address: PostgresAddress, client: PoolClient): Promise<void> {
  const { processID } = client as unknown as { readonly processID: number | null };
  try {
    await withClient(address, (other) => other.query("SELECT pg_terminate_backend($1, 5000)", [processID]));
  } catch (error) {
    if (!isFailure(error)) throw error;
  }
}

/** Runs a script in a transaction of its own, and again if it lost against another one. */
export async function runIn<Result>(
  pool: Pool,
  begin: Begin,
  script: () => Script<Result>,
  { mayCommit, settle }: Hooks,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    mayCommit();
    const client = await connectionOf(pool);
    let failure: unknown;
    try {
      return await runTransaction(client, begin, script(), mayCommit);
    } catch (error) {
      failure = error;
      if (begin === BEGIN.write && isConnectionFailure(error)) await settle(client);
      if (attempt === ATTEMPTS || !isWorthRepeating(error)) throw error;
    } finally {
      client.release(!isInOrder(client, failure));
    }
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 2 ** attempt));
  }
}

async function connectionOf(pool: Pool): Promise<PoolClient> {
  try {
    return await pool.connect();
  } catch (error) {
    throw postgresFailure(error);
  }
}

/** Asks something on a connection of its own. @throws Failure of the store's contract. */
export async function withClient<Result>(
  address: PostgresAddress,
  ask: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = new Client(clientConfig(address));
  client.on("error", () => undefined); // what is asked next throws it
  try {
    await client.connect();
    return await ask(client);
  } catch (error) {
    throw postgresFailure(error);
  } finally {
    await client.end();
  }
}
