import type { Client } from "pg";
import { Failure, isFailure } from "../core/errors.ts";
import { DatabaseLock } from "./database-lock.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { withClient } from "./postgres-transactions.ts";

/** The oldest release of PostgreSQL that Claviger is run on. */
export const OLDEST_MAJOR = 15;

/**
 * The lock that keeps other daemons and restores off the database, once the server was found fit for keys.
 * @throws Failure `store-in-use` when another one has it, `store-unsuitable`, `store-refused`, `config-invalid`, or one of
 * the store's contract.
 */
export async function lockDatabase(address: PostgresAddress): Promise<DatabaseLock> {
  try {
    await refuseUnsuitable(address);
    return await DatabaseLock.take(address);
  } catch (error) {
    throw explained(error, address);
  }
}

/** Whether anything of Claviger's is in the database. */
export async function isThere(client: Client): Promise<boolean> {
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

/** What server or driver say, for an operator who waits for an answer; of a daemon that serves it goes to the log. */
export function explained(error: unknown, { host, port, database, user }: PostgresAddress): unknown {
  if (!isFailure(error, "store-failed", "store-refused", "store-read-only", "store-busy")) return error;
  const { cause } = error;
  if (!(cause instanceof Error)) return error;
  const reason = cause.message || (cause as NodeJS.ErrnoException).code;
  const at = host.startsWith("/") ? host : `${host}:${port}`;
  return new Failure(error.code, `The database ${database} at ${at}, as user ${user}: ${reason}`, { cause });
}
