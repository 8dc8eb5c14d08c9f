import { resolve } from "node:path";
import { mysqlAddress } from "./mysql-address.ts";
import type { PostgresAddress } from "./postgres-address.ts";
import { postgresAddress } from "./postgres-address.ts";
import type { ServerAddress } from "./server-address.ts";
import { refuseUnknown } from "./server-address.ts";
import type { SqlAlchemyUrl } from "./sqlalchemy-url.ts";
import { parseSqlAlchemyUrl, unsuitable } from "./sqlalchemy-url.ts";

/** Where the database of a Barbican is. Nothing of it prints a password. */
export type DatabaseAddress =
  /** An absolute path. */
  | { readonly kind: "sqlite"; readonly path: string }
  | ({ readonly kind: "postgres" } & PostgresAddress)
  | ({ readonly kind: "mysql" } & ServerAddress);

const SQLITE_INDIFFERENT = ["timeout", "check_same_thread"];

/** The dialects and drivers with which Barbican is run, and what they reach. */
const DIALECTS: Readonly<Record<string, { readonly drivers: readonly string[]; readonly read: Reader }>> = {
  sqlite: { drivers: ["pysqlite"], read: sqliteAddress },
  postgresql: { drivers: ["psycopg2", "psycopg"], read: readPostgres },
  /** Was an alias up to SQLAlchemy 1.3. */
  postgres: { drivers: ["psycopg2"], read: readPostgres },
  mysql: { drivers: ["pymysql", "mysqldb", "mariadbconnector", "mysqlconnector"], read: readMysql },
  mariadb: { drivers: ["pymysql", "mysqldb", "mariadbconnector", "mysqlconnector"], read: readMysql },
};

type Reader = (url: SqlAlchemyUrl) => DatabaseAddress;

/**
 * Reads `[database] connection`. Options that Claviger cannot obey are refused by name, those that only say how long to wait
 * are passed over.
 * @throws Failure `barbican-database-unsuitable`, which never has the password in it.
 */
export function parseDatabaseUrl(text: string): DatabaseAddress {
  const url = parseSqlAlchemyUrl(text.trim());
  const dialect = Object.hasOwn(DIALECTS, url.dialect) ? DIALECTS[url.dialect] : undefined;
  if (!dialect)
    throw unsuitable("is of none of the databases that Claviger knows: SQLite, PostgreSQL, MySQL, MariaDB");
  if (url.driver !== undefined && !dialect.drivers.includes(url.driver))
    throw unsuitable(`names a driver that is none of ${dialect.drivers.join(", ")}`);
  return dialect.read(url);
}

/** For people: where it is, and who enters. */
export function shownAddress(address: DatabaseAddress): string {
  if (address.kind === "sqlite") return address.path;
  const { host, port, socket, database, user } = address;
  const at = socket ?? `${host.includes(":") ? `[${host}]` : host}:${port}`;
  return `${database} at ${at}${user === undefined ? "" : `, as user ${user}`}`;
}

/** sqlite:///relative and sqlite:////absolute. */
function sqliteAddress(url: SqlAlchemyUrl): DatabaseAddress {
  refuseUnknown(url, SQLITE_INDIFFERENT);
  const { database } = url;
  if (url.host !== undefined || url.user !== undefined)
    throw unsuitable("has too few slashes: sqlite:///relative/path or sqlite:////absolute/path");
  if (database === undefined || database === ":memory:" || database.startsWith("file:"))
    throw unsuitable("names no file of SQLite");
  return { kind: "sqlite", path: resolve(database) };
}

function readPostgres(url: SqlAlchemyUrl): DatabaseAddress {
  return { kind: "postgres", ...postgresAddress(url) };
}

function readMysql(url: SqlAlchemyUrl): DatabaseAddress {
  return { kind: "mysql", ...mysqlAddress(url) };
}
