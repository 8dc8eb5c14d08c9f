import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { Failure, isFailure } from "../core/errors.ts";
import { postgresFailure } from "./dialects/postgres-failures.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { clientConfig } from "./postgres-address.ts";

/*
 * One daemon a database. The lock is an advisory lock of a connection that lives as long as the process; the server
 * takes it back when the connection ends, however it ends.
 * - While the connection is lost, nothing is begun and nothing is committed. It is made again as soon as that works.
 * - Each daemon, and each restore, begins a term. If the lock comes back in another term, another daemon has served
 *   meanwhile; what this one has in its caches may be wrong, and it refuses until it is started again.
 */

/** Two numbers, so that it is no hold of a transaction, which is one. */
export const LOCK = [0x636c6176, 1]; // "clav"
/** The server may not have noticed yet that the daemon of before is gone. */
const TRIES = 8;
const TRY_AGAIN_MS = 250;
const HEARTBEAT_MS = 1_000;
const ANSWER_MS = 4_000;

export class DatabaseLock {
  readonly #address: PostgresAddress;
  #client: Client | undefined;
  #term: number | undefined;
  #overtaken = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> = Promise.resolve();

  private constructor(address: PostgresAddress, client: Client) {
    this.#address = address;
    this.#keep(client);
    this.#beatLater();
  }

  /** @throws Failure `store-in-use` when another daemon has it; Failure of the store's contract. */
  static async take(address: PostgresAddress): Promise<DatabaseLock> {
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const client = await connectAndLock(address);
      if (client) return new DatabaseLock(address, client);
      await sleep(TRY_AGAIN_MS);
    }
    throw inUse(address);
  }

  /** Begins a term, once the schema is there. */
  async beginTerm(): Promise<void> {
    this.mustHold();
    const client = this.#client;
    try {
      await client?.query(
        "CREATE TABLE IF NOT EXISTS daemon_terms (id BIGINT PRIMARY KEY, term BIGINT NOT NULL)",
      );
      const begun = await client?.query<{ term: number }>(
        // The first one is the time, so that a database that was made anew does not count from where another one did.
        `INSERT INTO daemon_terms AS kept VALUES (1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
         ON CONFLICT (id) DO UPDATE SET term = kept.term + 1 RETURNING term`,
      );
      this.#term = begun?.rows[0]?.term;
    } catch (error) {
      throw postgresFailure(error);
    }
  }

  /** @throws Failure `store-failed` while the lock is lost; `store-in-use` when another daemon has had it since. */
  mustHold(): void {
    if (this.#overtaken) throw inUse(this.#address);
    if (!this.#client)
      throw new Failure(
        "store-failed",
        "The connection that keeps other daemons off the database is lost; it is being made again.",
      );
  }

  async release(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#beating;
    const client = this.#client;
    this.#client = undefined;
    await client?.end();
  }

  #keep(client: Client): void {
    this.#client = client;
    client.on("error", () => this.#lose(client));
    client.on("end", () => this.#lose(client));
  }

  #lose(client: Client): void {
    if (this.#client === client) this.#client = undefined;
  }

  #beatLater(): void {
    this.#timer = setTimeout(() => {
      this.#beating = this.#beat().then(() => {
        if (!this.#closed) this.#beatLater();
      });
    }, HEARTBEAT_MS);
  }

  /** Asks whether the connection still is there, or makes it again. */
  async #beat(): Promise<void> {
    if (this.#client) await this.#askForLife(this.#client);
    else if (!this.#overtaken) await this.#takeAgain();
  }

  async #askForLife(client: Client): Promise<void> {
    try {
      await client.query("SELECT 1");
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#lose(client);
      client.connection.stream.destroy();
    }
  }

  async #takeAgain(): Promise<void> {
    try {
      const client = await connectAndLock(this.#address);
      if (!client) return;
      if (this.#term === undefined || (await termOf(client)) === this.#term) {
        this.#keep(client);
        return;
      }
      this.#overtaken = true;
      await client.end();
    } catch (error) {
      if (!isFailure(error)) throw error; // it is tried again at the next beat
    }
  }
}

/** A connection that has the lock; undefined if another one has it. */
async function connectAndLock(address: PostgresAddress): Promise<Client | undefined> {
  const client = new Client({ ...clientConfig(address), query_timeout: ANSWER_MS });
  // Whatever happens to the connection is thrown by the call that needed it; `#keep` adds what has to happen later.
  client.on("error", () => undefined);
  try {
    await client.connect();
    // A machine that is gone does not end its connection: the server has to ask (on a Unix socket this does nothing).
    await client.query(
      "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3",
    );
    const { rows } = await client.query<{ taken: boolean }>(
      "SELECT pg_try_advisory_lock($1, $2) AS taken",
      LOCK,
    );
    if (rows[0]?.taken === true) return client;
    await client.end();
    return undefined;
  } catch (error) {
    client.connection.stream.destroy();
    throw postgresFailure(error);
  }
}

async function termOf(client: Client): Promise<number | undefined> {
  try {
    const { rows } = await client.query<{ term: number }>("SELECT term FROM daemon_terms WHERE id = 1");
    return rows[0]?.term;
  } catch (error) {
    client.connection.stream.destroy();
    throw postgresFailure(error);
  }
}

function inUse({ host, database }: PostgresAddress): Failure {
  return new Failure("store-in-use", `Another daemon uses the database ${database} at ${host}.`);
}
