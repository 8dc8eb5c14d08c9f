import { isIP } from "node:net";
import type { ServerAddress, TlsDemand } from "./server-address.ts";
import { refuseUnknown, serverOf } from "./server-address.ts";
import type { SqlAlchemyUrl } from "./sqlalchemy-url.ts";
import { unsuitable } from "./sqlalchemy-url.ts";

/*
 * An address of MySQL or MariaDB. Its options are those of Barbican's drivers, of which PyMySQL is the usual one
 * (PyMySQL/PyMySQL: pymysql/connections.py; sqlalchemy/sqlalchemy: lib/sqlalchemy/dialects/mysql/mysqldb.py):
 *
 * - without an option about TLS the drivers ask for none;
 * - with `ssl_ca` certificate and name of the server are checked; `ssl_check_hostname=false` leaves the name out. Drivers
 *   that would check less by themselves are given no less here.
 */

const DEFAULT_PORT = 3_306;

/** What text is sent as, how long one waits: nothing that is to be obeyed here. Text is always utf8mb4. */
const INDIFFERENT = [
  "charset",
  "use_unicode",
  "binary_prefix",
  "connect_timeout",
  "read_timeout",
  "write_timeout",
];
const TLS = ["ssl", "ssl_ca", "ssl_cert", "ssl_key", "ssl_mode", "ssl_disabled"];
const CHECKS = ["ssl_check_hostname", "ssl_verify_cert", "ssl_verify_identity"];
const KNOWN = ["unix_socket", ...TLS, ...CHECKS, ...INDIFFERENT];

/** `ssl_mode` of libmysqlclient. */
const MODES = {
  DISABLED: "never",
  PREFERRED: "if-offered",
  REQUIRED: "always",
  VERIFY_CA: "verify-authority",
  VERIFY_IDENTITY: "verify-host",
} as const satisfies Record<string, TlsDemand["mode"]>;

/** @throws Failure `barbican-database-unsuitable` */
export function mysqlAddress(url: SqlAlchemyUrl): ServerAddress {
  refuseUnknown(url, KNOWN);
  const server = serverOf(url, DEFAULT_PORT);
  const tls = tlsOf(url.parameters);
  const socket = url.parameters.get("unix_socket");
  // The client would compare the certificate with the name `localhost`.
  if (socket === undefined && tls.mode === "verify-host" && isIP(server.host) !== 0)
    throw unsuitable(
      "wants the server's name checked, but has a number for it: name the host, or add ssl_check_hostname=false",
    );
  return { ...server, socket, tls };
}

function tlsOf(parameters: SqlAlchemyUrl["parameters"]): TlsDemand {
  const [authority, certificate, key] = ["ssl_ca", "ssl_cert", "ssl_key"].map((name) => parameters.get(name));
  const files = {
    ...(authority !== undefined && { authority }),
    ...(certificate !== undefined && { certificate }),
    ...(key !== undefined && { key }),
  };
  if ((certificate === undefined) !== (key === undefined))
    throw unsuitable("needs both ssl_cert and ssl_key, or neither");
  const mode = modeOf(parameters, Object.keys(files).length > 0);
  if (mode.startsWith("verify") && authority === undefined)
    throw unsuitable("wants the server's certificate checked: add ssl_ca=<file>");
  return mode === "never" ? { mode } : { mode, ...files };
}

function modeOf(parameters: SqlAlchemyUrl["parameters"], hasFiles: boolean): TlsDemand["mode"] {
  const is = (name: string): boolean | undefined => booleanOf(parameters, name);
  const given = parameters.get("ssl_mode");
  if (given !== undefined) {
    if (!Object.hasOwn(MODES, given))
      throw unsuitable(`has an ssl_mode that is none of ${Object.keys(MODES).join(", ")}`);
    return MODES[given as keyof typeof MODES];
  }
  if (is("ssl_disabled") === true) return "never";
  const checksName = is("ssl_check_hostname") ?? is("ssl_verify_identity");
  const checks = parameters.has("ssl_ca") || is("ssl_verify_cert") === true || checksName === true;
  if (checks) return checksName === false ? "verify-authority" : "verify-host";
  return hasFiles || is("ssl") === true ? "always" : "never";
}

function booleanOf(parameters: SqlAlchemyUrl["parameters"], name: string): boolean | undefined {
  const text = parameters.get(name)?.toLowerCase();
  if (text === undefined) return undefined;
  if (["true", "1", "yes", "on"].includes(text)) return true;
  if (["false", "0", "no", "off"].includes(text)) return false;
  throw unsuitable(`must have true or false for ${name}`);
}
