import type { PoolClient } from "pg";
import type { Change } from "../core/master-key-change/change.ts";
import type { SnapshotStore } from "../core/ports/backup-store.ts";
import type { Store } from "../core/ports/store.ts";
import type { DatabaseLock } from "./database-lock.ts";
import { BEGIN, postgresDefinition, postgresQueries, runTransaction } from "./dialects/postgres.ts";
import { migrate } from "./migrations/migrate.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { explained, isThere, lockDatabase } from "./postgres-place.ts";
import { openPostgresSnapshot } from "./postgres-snapshot.ts";
import { newPool, runIn, settle, withClient } from "./postgres-transactions.ts";
import { readToldChanges } from "./queries/snapshots.ts";
import type { ScriptName } from "./scripts.ts";
import { scriptNamed, storeOfScripts } from "./scripts.ts";

/** A PostgreSQL database that no other daemon uses: the lock on it is held from `reach` until `leave`. */
export interface PostgresPlace {
  /** Whether anything of Claviger's is in it. */
  isThere(): Promise<boolean>;
  /** Brings the schema up to date and opens the store. @throws Failure of the store's contract, or `store-newer`. */
  open(): Promise<Store & SnapshotStore>;
  leave(): Promise<void>;
}

/** How many connections there are at most for each kind of script, so that none of them waits for those of another. */
const CONNECTIONS = { read: 4, scan: 2, write: 4 } as const;

/** Those, one that holds the lock, and one that reads for a backup. */
export const CONNECTIONS_AT_MOST = CONNECTIONS.read + CONNECTIONS.scan + CONNECTIONS.write + 2;

/** @throws Failure as `lockDatabase`. */
export async function reachPostgres(address: PostgresAddress): Promise<PostgresPlace> {
  const lock = await lockDatabase(address);
  return {
    isThere: () => withClient(address, isThere),
    open: () => openStore(address, lock),
    leave: () => lock.release(),
  };
}

/** Reaches the place and opens the store on it; its `close` leaves the place too. */
export async function openPostgresStore(address: PostgresAddress): Promise<Store & SnapshotStore> {
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

/** What `readToldChanges` finds in a database, without writing to it. @throws Failure of the store's contract. */
export async function readChangesOfPostgres(address: PostgresAddress): Promise<readonly Change[]> {
  return await withClient(address, (client) =>
    runTransaction(client, BEGIN.read, readToldChanges(postgresQueries), () => undefined),
  );
}

async function openStore(address: PostgresAddress, lock: DatabaseLock): Promise<Store & SnapshotStore> {
  const pools = {
    read: newPool(address, CONNECTIONS.read),
    scan: newPool(address, CONNECTIONS.scan),
    write: newPool(address, CONNECTIONS.write),
  };
  const close = async (): Promise<void> => {
    await Promise.all(Object.values(pools).map((pool) => pool.end()));
  };
  const mayCommit = (): void => lock.mustHold();
  const hooks = { mayCommit, settle: (client: PoolClient) => settle(address, client) };
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
  return { ...storeOfScripts(run, close), openSnapshot: () => openPostgresSnapshot(address, mayCommit) };
}
