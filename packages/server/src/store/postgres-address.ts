import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { ConnectionOptions } from "node:tls";
import type { ClientConfig } from "pg";
import { Failure } from "../core/errors.ts";
import { columnTypes } from "./dialects/postgres.ts";

/** Where a PostgreSQL database is and how it is entered. */
export interface PostgresAddress {
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** A file whose first line is the password; it is read for each connection, so that it may be replaced. */
  readonly passwordFile: string | undefined;
  readonly tls: PostgresTls | undefined;
}

export interface PostgresTls {
  /** `verify-full` also demands that the certificate is that of the host. */
  readonly mode: "verify-ca" | "verify-full";
  /** Paths of PEM files: authorities (those of the system if none is given); certificate and key of this client. */
  readonly rootCertificate: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
}

/** Longest waits. Locks of this service are held for milliseconds: who waits for one longer waits for somebody else's. */
const CONNECT_MS = 5_000;
const LOCK_MS = 5_000;
const STATEMENT_MS = 60_000;
/** Of this process, for a server that does not answer at all. */
const ANSWER_MS = STATEMENT_MS + 5_000;
/** A process that was stopped within a transaction must not keep its locks. */
const IDLE_IN_TRANSACTION_MS = 10_000;

/**
 * How the driver is to connect; nothing is left to the environment (PGHOST, PGSSLMODE, …).
 * @throws Failure `config-invalid` when a certificate cannot be read.
 */
export function clientConfig(address: PostgresAddress): ClientConfig {
  const { host, port, database, user, passwordFile, tls } = address;
  return {
    host,
    port,
    database,
    user,
    password: () => readPassword(passwordFile),
    ssl: tls ? tlsOptions(tls) : false,
    types: columnTypes,
    application_name: "claviger",
    client_encoding: "UTF8",
    connectionTimeoutMillis: CONNECT_MS,
    lock_timeout: LOCK_MS,
    statement_timeout: STATEMENT_MS,
    query_timeout: ANSWER_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    // A commit is on disk before it is answered, whatever the server's default is.
    options: "-c synchronous_commit=on -c client_min_messages=error",
  };
}

/** Called when the server asks for one. */
async function readPassword(path: string | undefined): Promise<string> {
  if (path === undefined)
    throw new Failure(
      "store-refused",
      "The database server asks for a password: put it into a file and name that in CLAVIGER_STORE_PASSWORD_FILE.",
    );
  try {
    return (await readFile(path, "utf8")).split(/\r?\n/, 1)[0] ?? "";
  } catch (error) {
    throw unreadable(path, error);
  }
}

function tlsOptions({ mode, rootCertificate, certificate, key }: PostgresTls): ConnectionOptions {
  return {
    rejectUnauthorized: true,
    minVersion: "TLSv1.2",
    ...(rootCertificate !== undefined && { ca: readPem(rootCertificate) }),
    ...(certificate !== undefined && { cert: readPem(certificate) }),
    ...(key !== undefined && { key: readPem(key) }),
    ...(mode === "verify-ca" && { checkServerIdentity: () => undefined }),
  };
}

function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): Failure {
  const { code } = error as NodeJS.ErrnoException;
  return new Failure("config-invalid", `${path} cannot be read (${code}).`, { field: "store", cause: error });
}
