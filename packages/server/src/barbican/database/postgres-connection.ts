import { userInfo } from "node:os";
import type { ClientConfig, QueryResultRow } from "pg";
import { Client } from "pg";
import { SerialQueue } from "../../core/serial-queue.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { isConnectionFailure, postgresFailure } from "./postgres-failures.ts";
import { tlsFiles } from "./server-address.ts";

/*
 * One connection to the PostgreSQL of a Barbican. Once it is lost it is not made again: what was asked of it last may have
 * happened or not, and a lock that it held is gone.
 */

const CONNECT_MS = 10_000;
/** Longest waits: for a lock, which Barbican holds for milliseconds, for a statement, and for a server that is silent. */
const LOCK_MS = 10_000;
const STATEMENT_MS = 120_000;
const ANSWER_MS = STATEMENT_MS + 10_000;

/**
 * Set by statements, because a pooler in front of the server may refuse them as parameters of the connection. What a
 * transaction has confirmed is on the disk, whatever the server's default is. Pages go along the primary key: a table that
 * was not analysed lately would be read and sorted whole for each of them.
 */
const SETTINGS = `SET enable_sort = off; SET lock_timeout = ${LOCK_MS}; SET statement_timeout = ${STATEMENT_MS}; SET client_min_messages = error;
  SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')`;

export interface PostgresQuery {
  /** So that the server parses and plans it once. */
  readonly name?: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

export class PostgresConnection {
  readonly #client: Client;
  readonly #where: string;
  /** The driver takes one at a time. */
  readonly #queries = new SerialQueue();

  private constructor(client: Client, where: string) {
    this.#client = client;
    this.#where = where;
  }

  /** `where` is the address for people. @throws Failure of the port. */
  static async open(address: PostgresAddress, where: string): Promise<PostgresConnection> {
    try {
      const client = await connect(address);
      await client.query(SETTINGS);
      return new PostgresConnection(client, where);
    } catch (error) {
      throw postgresFailure(error, where, true);
    }
  }

  /** @throws Failure of the port. */
  query<Row extends QueryResultRow>(query: PostgresQuery): Promise<Row[]> {
    return this.#queries.run(() => this.#query<Row>(query));
  }

  async #query<Row extends QueryResultRow>({ values, ...query }: PostgresQuery): Promise<Row[]> {
    try {
      return (await this.#client.query<Row>({ ...query, values: [...values] })).rows;
    } catch (error) {
      if (isConnectionFailure(error)) this.#client.connection.stream.destroy();
      throw postgresFailure(error, this.#where, false);
    }
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}

/** As libpq does it: `if-offered` goes on in plain text where the server has no TLS. */
async function connect(address: PostgresAddress): Promise<Client> {
  const config = configOf(address);
  if (address.tls.mode === "never") return connected(config);
  const ssl = {
    ...tlsFiles(address.tls),
    minVersion: "TLSv1.2" as const,
    rejectUnauthorized: address.tls.mode.startsWith("verify"),
    ...(address.tls.mode === "verify-authority" && { checkServerIdentity: () => undefined }),
  };
  try {
    return await connected({ ...config, ssl });
  } catch (error) {
    // The driver has no code for it (pg/lib/connection.js).
    const isWithoutTls = error instanceof Error && error.message.includes("does not support SSL");
    if (address.tls.mode === "if-offered" && isWithoutTls) return connected(config);
    throw error;
  }
}

async function connected(config: ClientConfig): Promise<Client> {
  const client = new Client(config);
  // Whatever happens to the connection is thrown by the call that needs it.
  client.on("error", () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    client.connection.stream.destroy();
    throw error;
  }
}

/** Nothing but the password is left to the environment and ~/.pgpass, where libpq looks for it too. */
function configOf({ socket, host, port, database, user, password, options }: PostgresAddress): ClientConfig {
  return {
    host: socket ?? host,
    port,
    database,
    user: user ?? userInfo().username,
    ...(password && { password }),
    ...(options !== undefined && { options }),
    ssl: false,
    application_name: "claviger",
    client_encoding: "UTF8",
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: ANSWER_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
}
