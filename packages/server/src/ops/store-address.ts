import { Failure } from "../core/errors.ts";
import { isLoopback } from "./loopback.ts";

/** A PostgreSQL database, and how it is entered. Paths are absolute. */
export interface StoreAddress {
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly passwordFile: string | undefined;
  /** Undefined: without TLS, which only this machine may be spoken to. */
  readonly tls:
    | {
        readonly mode: "verify-ca" | "verify-full";
        readonly rootCertificate: string | undefined;
        readonly certificate: string | undefined;
        readonly key: string | undefined;
      }
    | undefined;
}

/*
 * postgres://user@host:port/database?sslmode=verify-full&sslrootcert=ca.pem
 * - as libpq reads it, but for what would be unsafe: `prefer` and `require` do not tell who answers, and a password in
 *   the URL would be shown wherever a configuration is;
 * - what is not known is an error;
 * - a host beyond this machine is spoken to with TLS and a certificate that is checked.
 */

/** `user@/database`, which libpq has for a Unix socket and the standard of URLs does not allow. */
const HOSTLESS = /^(postgres(?:ql)?:\/\/[^/?#@]*@)(?=\/)/;
const NO_HOST = "-";

const PARAMETERS = ["host", "sslmode", "sslrootcert", "sslcert", "sslkey"];
const SSL_MODES = ["disable", "verify-ca", "verify-full"];

/**
 * Reads the URL of a PostgreSQL database. `resolvePath` makes a path absolute.
 * @throws Failure `config-invalid`, which names the entry.
 */
export function readStoreAddress(
  text: string,
  name: string,
  passwordFile: string | undefined,
  resolvePath: (path: string) => string,
): StoreAddress {
  const refuse = (complaint: string): never => {
    throw new Failure("config-invalid", `${name} ${complaint}.`, { field: name });
  };
  const url = URL.parse(text.replace(HOSTLESS, `$1${NO_HOST}`));
  if (!url || !/^postgres(ql)?:$/.test(url.protocol))
    return refuse("must be a URL as postgres://user@host/database");
  if (url.password !== "")
    refuse("carries a password; put it into a file and name that in CLAVIGER_STORE_PASSWORD_FILE");
  if (url.hash !== "") refuse("has a part after #; a # in a name is written %23");
  const parameters = url.searchParams;
  for (const parameter of parameters.keys()) {
    if (!PARAMETERS.includes(parameter))
      refuse(`has a parameter ${parameter}, which is not known; there are ${PARAMETERS.join(", ")}`);
    if (parameters.getAll(parameter).length > 1) refuse(`has the parameter ${parameter} twice`);
  }
  const host = hostOf(url) ?? refuse("names no host");
  const decode = (part: string): string => {
    try {
      return decodeURIComponent(part);
    } catch (error) {
      if (error instanceof URIError) return refuse("has a % that is not followed by two hex digits");
      throw error;
    }
  };
  const database = decode(url.pathname.slice(1));
  const user = decode(url.username);
  if (database === "" || database.includes("/")) refuse("must name one database after the host");
  if (user === "") refuse("must name a user in front of the host");
  return {
    host,
    port: url.port === "" ? 5432 : Number(url.port),
    database,
    user,
    passwordFile,
    tls: tlsOf(host, parameters, refuse, resolvePath),
  };
}

/** For people: where it is, without the user. */
export function shownStoreAddress({ host, port, database }: StoreAddress): string {
  if (host.startsWith("/")) return `postgres:///${database}?host=${host}`;
  return `postgres://${host.includes(":") ? `[${host}]` : host}:${port}/${database}`;
}

function hostOf(url: URL): string | undefined {
  const host = url.searchParams.get("host") ?? url.hostname.replace(/^\[(.*)\]$/, "$1");
  return host === "" || host === NO_HOST ? undefined : decodeURIComponent(host);
}

function tlsOf(
  host: string,
  parameters: URLSearchParams,
  refuse: (complaint: string) => never,
  resolvePath: (path: string) => string,
): StoreAddress["tls"] {
  const mode = parameters.get("sslmode") ?? "disable";
  const path = (parameter: string): string | undefined => {
    const given = parameters.get(parameter);
    return given === null ? undefined : resolvePath(given);
  };
  if (!SSL_MODES.includes(mode)) {
    refuse(
      `has sslmode=${mode}, which does not tell who answers or is not known; there are ${SSL_MODES.join(", ")}`,
    );
  }
  const isHere = host.startsWith("/") || isLoopback(host);
  if (mode === "disable") {
    if (!isHere)
      refuse(`names ${host}, which is not this machine: add sslmode=verify-full (and sslrootcert=<file>)`);
    if (["sslrootcert", "sslcert", "sslkey"].some((parameter) => parameters.has(parameter)))
      refuse("names certificates, but no sslmode that uses them");
    return undefined;
  }
  if (host.startsWith("/")) refuse("has an sslmode, but PostgreSQL has no TLS on a Unix socket");
  if (parameters.has("sslcert") !== parameters.has("sslkey"))
    refuse("needs both sslcert and sslkey, or neither");
  return {
    mode: mode as "verify-ca" | "verify-full",
    rootCertificate: path("sslrootcert"),
    certificate: path("sslcert"),
    key: path("sslkey"),
  };
}
