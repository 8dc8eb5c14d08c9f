import type { ServerAddress, TlsDemand } from "./server-address.ts";
import { portOf, refuseUnknown, serverOf } from "./server-address.ts";
import type { SqlAlchemyUrl } from "./sqlalchemy-url.ts";
import { unsuitable } from "./sqlalchemy-url.ts";

/*
 * An address of PostgreSQL. SQLAlchemy hands its options to libpq, by whose rules they are read here
 * (postgresql.org/docs/current/libpq-connect.html):
 *
 * - no host, or a host that is a path: the Unix socket in that folder;
 * - no `sslmode`: TLS if the server offers it. `require` with an authority checks the certificate;
 * - without `sslrootcert` libpq checks certificates by a file in the home of Barbican's user: it must be named here.
 */

export interface PostgresAddress extends ServerAddress {
  /** Settings of the session (`-c name=value …`). */
  readonly options: string | undefined;
}

const DEFAULT_PORT = 5_432;
const SOCKET_FOLDER = "/var/run/postgresql";

/** How one waits or is called: nothing that is to be obeyed here. */
const INDIFFERENT = ["connect_timeout", "application_name", "client_encoding", "keepalives"].concat(
  ["idle", "interval", "count"].map((what) => `keepalives_${what}`),
);
const KNOWN = ["host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "options", ...INDIFFERENT];

const MODES = {
  disable: "never",
  // libpq would begin in plain text, and go over to TLS where the server demands it.
  allow: "if-offered",
  prefer: "if-offered",
  require: "always",
  "verify-ca": "verify-authority",
  "verify-full": "verify-host",
} as const satisfies Record<string, TlsDemand["mode"]>;

/** @throws Failure `barbican-database-unsuitable` */
export function postgresAddress(url: SqlAlchemyUrl): PostgresAddress {
  refuseUnknown(url, KNOWN);
  const option = (name: string): string | undefined => url.parameters.get(name);
  const host = option("host") ?? url.host ?? SOCKET_FOLDER;
  if (host.includes(",")) throw unsuitable("names several hosts; name the one that is written to");
  const port = option("port");
  const isSocket = host.startsWith("/");
  return {
    ...serverOf(url, DEFAULT_PORT),
    ...(port !== undefined && { port: portOf(port) }),
    host,
    socket: isSocket ? host : undefined,
    tls: isSocket ? { mode: "never" } : tlsOf(option),
    options: option("options"),
  };
}

function tlsOf(option: (name: string) => string | undefined): TlsDemand {
  const wanted = option("sslmode") ?? "prefer";
  if (!isMode(wanted)) throw unsuitable(`has an sslmode that is none of ${Object.keys(MODES).join(", ")}`);
  const authority = option("sslrootcert");
  const [certificate, key] = [option("sslcert"), option("sslkey")];
  if ((certificate === undefined) !== (key === undefined))
    throw unsuitable("needs both sslcert and sslkey, or neither");
  const mode = wanted === "require" && authority !== undefined ? "verify-authority" : MODES[wanted];
  if (mode.startsWith("verify") && authority === undefined)
    throw unsuitable(`has sslmode=${wanted}: add sslrootcert=<file>, or sslrootcert=system`);
  return {
    mode,
    ...(mode.startsWith("verify") && authority !== undefined && { authority }),
    ...(certificate !== undefined && { certificate }),
    ...(key !== undefined && { key }),
  };
}

function isMode(text: string): text is keyof typeof MODES {
  return Object.hasOwn(MODES, text);
}
