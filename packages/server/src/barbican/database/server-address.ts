import { readFileSync } from "node:fs";
import { getCACertificates } from "node:tls";
import { Failure } from "../../core/errors.ts";
import type { SqlAlchemyUrl } from "./sqlalchemy-url.ts";
import { unsuitable } from "./sqlalchemy-url.ts";

/** A database server, and how it is entered. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  /** Of PostgreSQL the folder of a Unix socket, of MySQL the socket itself; then host and port are of no account. */
  readonly socket: string | undefined;
  readonly database: string;
  readonly user: string | undefined;
  /** A function, so that nothing prints it. */
  readonly password: (() => string) | undefined;
  readonly tls: TlsDemand;
}

export interface TlsDemand {
  /**
   * `always` does not tell who answers, nor does `if-offered`, which goes on in plain text where the server has no TLS: each
   * is what Barbican does with the same address.
   */
  readonly mode: "never" | "if-offered" | "always" | "verify-authority" | "verify-host";
  /** Paths of PEM files. Of the authority also `system`: those of this machine. */
  readonly authority?: string;
  readonly certificate?: string;
  readonly key?: string;
}

const MAX_PORT = 65_535;

/** What is the same for all servers. @throws Failure `barbican-database-unsuitable` */
export function serverOf(url: SqlAlchemyUrl, defaultPort: number): Omit<ServerAddress, "tls" | "socket"> {
  const { host, port, database, user, password } = url;
  if (database === undefined) throw unsuitable("names no database");
  return {
    host: host ?? "localhost",
    port: port === undefined ? defaultPort : portOf(port),
    database,
    user: user === "" ? undefined : user,
    password: password === undefined ? undefined : () => password,
  };
}

export function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > MAX_PORT) throw unsuitable("has a port that is no number from 1 to 65535");
  return port;
}

/** What options are not known is refused by name: to drop one that Barbican obeys might weaken what it asks for. */
export function refuseUnknown({ parameters }: SqlAlchemyUrl, known: readonly string[]): void {
  for (const name of parameters.keys()) {
    if (!known.includes(name))
      throw unsuitable(`has an option ${name.slice(0, 64)} that Claviger does not know how to obey`);
  }
}

/** As Node's TLS takes it; undefined for none. @throws Failure `barbican-database-unsuitable` where a file cannot be read. */
export function tlsFiles({ authority, certificate, key }: TlsDemand): {
  readonly ca?: string | string[];
  readonly cert?: string;
  readonly key?: string;
} {
  return {
    ...(authority !== undefined && {
      ca: authority === "system" ? getCACertificates("system") : readPem(authority),
    }),
    ...(certificate !== undefined && { cert: readPem(certificate) }),
    ...(key !== undefined && { key: readPem(key) }),
  };
}

function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Failure("barbican-database-unsuitable", `${path}, for TLS, cannot be read (${code}).`, {
      cause: error,
    });
  }
}
