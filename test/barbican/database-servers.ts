import { startPostgres } from "../postgres/server.ts";
import { startMariadb } from "./mariadb-server.ts";

/** A database server of a test, in which Barbicans have databases. */
export interface DatabaseServer extends AsyncDisposable {
  /** A new, empty database, as SQLAlchemy takes it; undefined stands for SQLite in Barbican's own folder. */
  newDatabase(): Promise<string | undefined>;
}

/** The databases that Barbican can have, and what of each CLAVIGER_TEST_WITHOUT may name. */
export const DATABASE_SERVERS = {
  SQLite: { needs: undefined, start: sqlite },
  PostgreSQL: { needs: "postgresql", start: postgresql },
  MariaDB: { needs: "mariadb", start: mariadb },
} as const;

function sqlite(): Promise<DatabaseServer> {
  return Promise.resolve({
    newDatabase: () => Promise.resolve(undefined),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}

/**
 * Barbican 15.0.1 gives ciphertexts to the driver as bytes, for a column of text. With the server's own `bytea_output`, hex,
 * they come to stand there as `\x…`, which Barbican itself cannot read: it works on PostgreSQL with `escape` alone.
 */
async function postgresql(): Promise<DatabaseServer> {
  const server = await startPostgres({ settings: ["bytea_output = 'escape'"] });
  return {
    newDatabase: async () => {
      const { user, database, host } = server.address(await server.newDatabase());
      return `postgresql+psycopg2://${user}@/${database}?host=${host}`;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function mariadb(): Promise<DatabaseServer> {
  const server = await startMariadb();
  return {
    newDatabase: async () => (await server.newDatabase()).url,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
