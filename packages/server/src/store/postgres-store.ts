import type { PoolClient } from "pg";
import { Client, Pool } from "pg";
import { Failure, isFailure } from "../core/errors.ts";
import type { Store } from "../core/ports/store.ts";
import { DatabaseLock } from "./database-lock.ts";
import { isConnectionFailure, isWorthRepeating, postgresFailure } from "./dialects/postgres-failures.ts";
import type { Begin } from "./dialects/postgres.ts";
import {
  BEGIN,
  isInOrder,
  postgresDefinition,
  postgresQueries,
  runTransaction,
} from "./dialects/postgres.ts";
import { migrate } from "./migrations/migrate.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { clientConfig } from "./postgres-address.ts";
import type { Script } from "./script.ts";
import type { ScriptName } from "./scripts.ts";
import { scriptNamed, storeOfScripts } from "./scripts.ts";

/** A PostgreSQL database that no other daemon uses: the lock on it is held from `reach` until `leave`. */
export interface PostgresPlace {
  /** Whether anything of Claviger's is in it. */
  isThere(): Promise<boolean>;
  /** Brings the schema up to date and opens the store. @throws Failure of the store's contract, or `store-newer`. */
  open(): Promise<Store>;
  leave(): Promise<void>;
}

const OLDEST_MAJOR = 15;

/** How many connections there are at most for each kind of script, so that none of them waits for those of another. */
const CONNECTIONS = { read: 4, scan: 2, write: 4 } as const;

/** How often a transaction that lost against another one is run before the call fails. */
const ATTEMPTS = 8;

/**
 * @throws Failure `store-in-use` when another daemon uses the database, `store-unsuitable`, `store-refused`,
 * `config-invalid`, or one of the store's contract.
 */
export async function reachPostgres(address: PostgresAddress): Promise<PostgresPlace> {
  try {
    await refuseUnsuitable(address);
    const lock = await DatabaseLock.take(address);
    return {
      isThere: () => withClient(address, isThere),
      open: () => openStore(address, lock),
      leave: () => lock.release(),
    };
  } catch (error) {
    throw explained(error, address);
  }
}

/** Reaches the place and opens the store on it; its `close` leaves the place too. */
export async function openPostgresStore(address: PostgresAddress): Promise<Store> {
  const place = await reachPostgres(address);
  try {
    const store = await place.open();
    const close = async (): Promise<void> => {
      await store.close();
      await place.leave();
    };
    return { ...store, close };
  } catch (error) {
    await place.leave();
    throw error;
  }
}

async function openStore(address: PostgresAddress, lock: DatabaseLock): Promise<Store> {
  const pools = {
    read: newPool(address, CONNECTIONS.read),
    scan: newPool(address, CONNECTIONS.scan),
    write: newPool(address, CONNECTIONS.write),
  };
  const close = async (): Promise<void> => {
    await Promise.all(Object.values(pools).map((pool) => pool.end()));
  };
  const hooks = { mayCommit: () => lock.mustHold(), settle: (client: PoolClient) => settle(address, client) };
  const run = async (name: ScriptName, input: unknown): Promise<unknown> => {
    const { kind, script } = scriptNamed(name);
    const pool = kind === "walk" ? pools.scan : pools[kind];
    const begin = kind === "scan" ? BEGIN.read : BEGIN[kind];
    return await runIn(pool, begin, () => script(postgresQueries, input as never), hooks);
  };
  try {
    await runIn(pools.write, BEGIN.write, () => migrate(postgresQueries, postgresDefinition), hooks);
    await lock.beginTerm();
  } catch (error) {
    await close();
    throw explained(error, address);
  }
  return storeOfScripts(run, close);
}

function newPool(address: PostgresAddress, max: number): Pool {
  const pool = new Pool({ ...clientConfig(address), max, idleTimeoutMillis: 60_000 });
  // A connection that is lost is reported by the statement that needed it; while it is idle, nobody did.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

interface Hooks {
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
async function settle(address: PostgresAddress, client: PoolClient): Promise<void> {
  const { processID } = client as unknown as { readonly processID: number | null };
  try {
    await withClient(address, (other) => other.query("SELECT pg_terminate_backend($1, 5000)", [processID]));
  } catch (error) {
    if (!isFailure(error)) throw error;
  }
}

/** Runs a script in a transaction of its own, and again if it lost against another one. */
async function runIn<Result>(
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

async function withClient<Result>(
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

async function isThere(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(
    "SELECT to_regclass('schema_migrations') IS NOT NULL AS there",
  );
  return rows[0]?.there === true;
}

/** A server that is too old, or does not keep what it has confirmed. */
async function refuseUnsuitable(address: PostgresAddress): Promise<void> {
  const settings = await withClient(address, async (client) => {
    const { rows } = await client.query<Record<"version" | "encoding" | "fsync" | "pages", string>>(
      `SELECT current_setting('server_version_num') AS version, current_setting('server_encoding') AS encoding,
         current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages`,
    );
    return rows[0];
  });
  const refuse = (complaint: string): never => {
    throw new Failure("store-unsuitable", `The PostgreSQL at ${address.host} ${complaint}.`);
  };
  const major = Math.floor(Number(settings?.version) / 10_000);
  if (!(major >= OLDEST_MAJOR)) refuse(`is version ${major}; this release needs ${OLDEST_MAJOR} or later`);
  if (settings?.encoding !== "UTF8")
    refuse(`encodes ${address.database} as ${settings?.encoding}; it must be UTF8`);
  if (settings?.fsync !== "on") refuse("runs with fsync off: a power failure would lose keys");
  if (settings?.pages !== "on")
    refuse("runs with full_page_writes off: a power failure would damage the database");
}

/** While the daemon starts, its operator is told what server or driver say; later that goes to the log. */
function explained(error: unknown, { host, port, database, user }: PostgresAddress): unknown {
  if (!isFailure(error, "store-failed", "store-refused", "store-read-only", "store-busy")) return error;
  const { cause } = error;
  if (!(cause instanceof Error)) return error;
  const reason = cause.message || (cause as NodeJS.ErrnoException).code;
  const at = host.startsWith("/") ? host : `${host}:${port}`;
  return new Failure(error.code, `The database ${database} at ${at}, as user ${user}: ${reason}`, { cause });
}
