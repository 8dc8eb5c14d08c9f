import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { isFailure } from "../../core/errors.ts";
import { parseDatabaseUrl, shownAddress } from "./database-url.ts";

const NEVER = { mode: "never" };

function complaint(url: string): string {
  try {
    parseDatabaseUrl(url);
  } catch (error) {
    if (isFailure(error, "barbican-database-unsuitable"))
      return error.message.replace("The address in [database] connection ", "");
    throw error;
  }
  return "none";
}

describe("the address of Barbican's database", () => {
  it.each([
    ["sqlite:////var/lib/barbican/barbican.sqlite", "/var/lib/barbican/barbican.sqlite"],
    ["sqlite:///barbican.sqlite", `${process.cwd()}/barbican.sqlite`],
    ["sqlite+pysqlite:////b.sqlite?timeout=30", "/b.sqlite"],
  ])("is a file of SQLite: %s", (url, path) => {
    expect(parseDatabaseUrl(url)).toEqual({ kind: "sqlite", path });
  });

  it.each([
    ["postgresql://b@db/k", { host: "db", port: 5432, tls: { mode: "if-offered" } }],
    ["postgres://b@db:6432/k", { host: "db", port: 6432, tls: { mode: "if-offered" } }],
    ["postgresql+psycopg2://b@[::1]:1/k", { host: "::1", port: 1 }],
    ["postgresql://b@/k", { socket: "/var/run/postgresql", tls: NEVER }],
    ["postgresql://b@/k?host=/run/pg&port=5433", { socket: "/run/pg", port: 5433, tls: NEVER }],
    ["postgresql:///k", { user: undefined, password: undefined }],
    ["postgresql://b@db/k?sslmode=disable", { tls: NEVER }],
    ["postgresql://b@db/k?sslmode=require", { tls: { mode: "always" } }],
    [
      "postgresql://b@db/k?sslmode=require&sslrootcert=/ca",
      { tls: { mode: "verify-authority", authority: "/ca" } },
    ],
    [
      "postgresql://b@db/k?sslmode=verify-ca&sslrootcert=/ca",
      { tls: { mode: "verify-authority", authority: "/ca" } },
    ],
    [
      "postgresql://b@db/k?sslmode=verify-full&sslrootcert=system&sslcert=/c&sslkey=/k&connect_timeout=5",
      { tls: { mode: "verify-host", authority: "system", certificate: "/c", key: "/k" } },
    ],
    ["postgresql://b@db/k?options=-csearch_path%3Dbarbican", { options: "-csearch_path=barbican" }],
  ])("is a PostgreSQL, by the rules of libpq: %s", (url, expected) => {
    expect(parseDatabaseUrl(url)).toMatchObject({ kind: "postgres", database: "k", ...expected });
  });

  it.each([
    ["mysql://b@db/k", { host: "db", port: 3306, socket: undefined, tls: NEVER }],
    ["mysql+pymysql://b@db:3307/k?charset=utf8", { port: 3307, tls: NEVER }],
    ["mysql+mysqldb://b@/k?unix_socket=/run/my.sock", { socket: "/run/my.sock" }],
    ["mariadb+mariadbconnector://b@db/k?ssl=true", { tls: { mode: "always" } }],
    ["mysql+pymysql://b@db/k?ssl_ca=/ca", { tls: { mode: "verify-host", authority: "/ca" } }],
    [
      "mysql+pymysql://b@10.0.0.1/k?ssl_ca=/ca&ssl_check_hostname=false",
      { tls: { mode: "verify-authority", authority: "/ca" } },
    ],
    [
      "mysql+mysqldb://b@db/k?ssl_ca=/ca&ssl_cert=/c&ssl_key=/k&ssl_verify_identity=true",
      { tls: { mode: "verify-host", authority: "/ca", certificate: "/c", key: "/k" } },
    ],
    [
      "mysql+pymysql://b@db/k?ssl_cert=/c&ssl_key=/k",
      { tls: { mode: "always", certificate: "/c", key: "/k" } },
    ],
    ["mysql+mysqldb://b@db/k?ssl_mode=REQUIRED", { tls: { mode: "always" } }],
    [
      "mysql+mysqldb://b@db/k?ssl_mode=VERIFY_CA&ssl_ca=/ca",
      { tls: { mode: "verify-authority", authority: "/ca" } },
    ],
    ["mysql+mysqldb://b@db/k?ssl_mode=DISABLED&ssl_ca=/ca", { tls: NEVER }],
  ])("is a MySQL or MariaDB, by the rules of Barbican's drivers: %s", (url, expected) => {
    expect(parseDatabaseUrl(url)).toMatchObject({ kind: "mysql", database: "k", user: "b", ...expected });
  });

  it.each([
    ["mysql://b:geheim@db/k", "geheim"],
    ["mysql://b:a%2Fb%40c%25@db/k", "a/b@c%"],
    ["mysql://b:a/b?c:d#e@db/k", "a/b?c:d#e"],
    ["mysql://b:100%@db/k", "100%"],
    ["mysql://b:%C3%BC@db/k", "ü"],
    ["mysql://b:a+b@db/k", "a+b"],
    ["mysql://b:@db/k", ""],
  ])("has a password as SQLAlchemy reads it, and does not print it: %s", (url, password) => {
    const address = parseDatabaseUrl(url);
    if (address.kind !== "mysql") throw new Error(address.kind);
    expect(address).toMatchObject({ user: "b", host: "db", database: "k" });
    expect(address.password?.()).toBe(password);
    const printed = inspect(address) + JSON.stringify(address) + shownAddress(address);
    expect(password !== "" && printed.includes(password)).toBe(false);
  });

  it.each([
    ["sqlite:////b", "/b"],
    ["postgresql://b:geheim@db/k", "k at db:5432, as user b"],
    ["postgresql://b:geheim@[::1]/k", "k at [::1]:5432, as user b"],
    ["mysql:///k?unix_socket=/s", "k at /s"],
  ])("is shown to people without the password: %s", (url, shown) => {
    expect(shownAddress(parseDatabaseUrl(url))).toBe(shown);
  });

  it.each([
    ["geheim", "is no URL as dialect://user:password@host/database."],
    [
      "oracle://b:geheim@db/k",
      "is of none of the databases that Claviger knows: SQLite, PostgreSQL, MySQL, MariaDB.",
    ],
    [
      "toString://db/k",
      "is of none of the databases that Claviger knows: SQLite, PostgreSQL, MySQL, MariaDB.",
    ],
    [
      "mysql+asyncmy://b:geheim@db/k",
      "names a driver that is none of pymysql, mysqldb, mariadbconnector, mysqlconnector.",
    ],
    ["mysql://b:geheim@db", "names no database."],
    ["mysql://b:geheim@db:0/k", "has a port that is no number from 1 to 65535."],
    [
      "mysql://b:geheim@db/k?read_default_file=/geheim",
      "has an option read_default_file that Claviger does not know how to obey.",
    ],
    [
      "mysql://b:geheim@db/k?ssl_capath=/geheim",
      "has an option ssl_capath that Claviger does not know how to obey.",
    ],
    [
      "mysql://b:geheim@db/k?ssl_mode=geheim",
      "has an ssl_mode that is none of DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY.",
    ],
    ["mysql://b:geheim@db/k?ssl=geheim", "must have true or false for ssl."],
    [
      "mysql://b:geheim@db/k?ssl_verify_cert=true",
      "wants the server's certificate checked: add ssl_ca=<file>.",
    ],
    ["mysql://b:geheim@db/k?ssl_cert=/c", "needs both ssl_cert and ssl_key, or neither."],
    [
      "mysql://b:geheim@10.0.0.1/k?ssl_ca=/ca",
      "wants the server's name checked, but has a number for it: name the host, or add ssl_check_hostname=false.",
    ],
    ["mysql://b:geheim@db/k?charset=utf8&charset=utf8", "has the option charset twice."],
    [
      "postgresql://b:geheim@db/k?sslmode=verify-full",
      "has sslmode=verify-full: add sslrootcert=<file>, or sslrootcert=system.",
    ],
    [
      "postgresql://b:geheim@db/k?sslmode=geheim",
      "has an sslmode that is none of disable, allow, prefer, require, verify-ca, verify-full.",
    ],
    [
      "postgresql://b:geheim@db/k?channel_binding=require",
      "has an option channel_binding that Claviger does not know how to obey.",
    ],
    ["postgresql://b:geheim@db/k?sslcrl=/c", "has an option sslcrl that Claviger does not know how to obey."],
    ["postgresql://b:geheim@/k?host=one,two", "names several hosts; name the one that is written to."],
    ["postgresql://b:geheim@db/k?sslkey=/k", "needs both sslcert and sslkey, or neither."],
    ["sqlite://", "names no file of SQLite."],
    ["sqlite:///:memory:", "names no file of SQLite."],
    ["sqlite:///file:b?mode=ro&uri=true", "has an option mode that Claviger does not know how to obey."],
    ["sqlite://var/lib/b", "has too few slashes: sqlite:///relative/path or sqlite:////absolute/path."],
  ])("is refused, without a word of a secret: %s", (url, expected) => {
    expect(complaint(url)).toBe(expected);
  });
});
