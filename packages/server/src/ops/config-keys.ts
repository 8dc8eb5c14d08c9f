import { isIP } from "node:net";
import { resolve } from "node:path";
import { Failure } from "../core/errors.ts";
import { SecretBytes } from "../core/secret/secret-bytes.ts";
import { isLoopback } from "./loopback.ts";
import {
  readLibraryParameters,
  readPaths,
  readTokenUris,
  readUnitAddresses,
  readVariableNames,
} from "./pkcs11-keys.ts";
import { readStoreAddress, shownStoreAddress } from "./store-address.ts";

/*
 * Every key of the configuration, in one table: its type, default and meaning. Everything else follows from its name
 * (`tls.cert`): the place in the TOML file (`cert` in the table `tls`), the variable (CLAVIGER_TLS_CERT) and the flag
 * (--tls-cert). docs/operations/configuration.md is generated from it.
 *
 * A secret is never written into the TOML file or given as a flag: those name a file that holds it
 * (`tls.key_passphrase_file`, --tls-key-passphrase-file), and so may the environment (CLAVIGER_TLS_KEY_PASSPHRASE_FILE).
 */

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface ListenAddress {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** What was given for a key, and by whom. */
export interface Given {
  /** Text of a variable, a flag or a default; whatever stands in the TOML file; the content of a secret. */
  readonly value: unknown;
  /** The name by which whoever gave it knows it, for messages: `listen`, `CLAVIGER_LISTEN`, `--listen`. */
  readonly name: string;
  /** Relative paths begin here. */
  readonly folder: string;
}

interface KeyRow<T> {
  /** Shown to people; also the placeholder of the flag. */
  readonly type: string;
  readonly fallback?: string;
  readonly about: string;
  readonly secret?: true;
  /** Throws Failure `config-invalid`, which names the key as it was given. */
  readonly read: (given: Given) => T;
  /** The value as `config print` shows it; never more of a secret than that it is there. */
  readonly shown: (given: Given) => unknown;
}

/** A group, as core/ids.ts has them. */
const GROUP = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;
const PATTERN = /^[0-9a-f]{32,64}$/;

export const CONFIG_KEYS = {
  data: key({
    type: "folder",
    fallback: "claviger-data",
    about:
      "The data folder. In a TOML file only where `--config` or `CLAVIGER_CONFIG` names that file, for otherwise the file is looked for in the data folder itself.",
    read: readPath,
  }),
  listen: key({
    type: "host:port",
    fallback: "127.0.0.1:8440",
    about:
      "Where the daemon listens. Port 0 takes a free one. Beyond the loopback interface (127.0.0.0/8, `[::1]`, `localhost`) it needs TLS.",
    read: readListen,
    show: ({ host, port }) => `${isIP(host) === 6 ? `[${host}]` : host}:${port}`,
  }),
  backups: key({
    type: "folder",
    about:
      "Where backups are written; without it, the folder `backups` in the data folder. One daemon has it.",
    read: readPath,
  }),
  log_level: key({
    type: "level",
    fallback: "info",
    about: `The least severe lines that are logged: ${LOG_LEVELS.map((level) => `\`${level}\``).join(", ")}.`,
    read: readLogLevel,
  }),
  store: key({
    type: "URL",
    about:
      "A PostgreSQL database, as `postgres://user@host/database`; without it, an SQLite file in the data folder. A host beyond this machine needs `?sslmode=verify-full` or `verify-ca`, with `sslrootcert` and, for a client certificate, `sslcert` and `sslkey`. A folder of Unix sockets is `?host=/folder`.",
    read: (given) =>
      readStoreAddress(readText(given), given.name, undefined, (path) => resolve(given.folder, path)),
    show: shownStoreAddress,
  }),
  store_password_file: key({
    type: "file",
    about: "The file that holds the password of the database that `store` names.",
    read: readPath,
  }),
  expected_vps: key({
    type: "group=pattern,pattern;group=pattern",
    about:
      "The verification patterns that the master keys of a unit group may have, 32 to 64 hex digits each; those of an open change may be in its registers too. In the TOML file a table of groups, each with a list. A group without an entry is not restricted.",
    read: readExpectedVps,
  }),
  requests_per_second: key({
    type: "number",
    about:
      "Requests a second that a principal may make that has no limit of its own (`claviger principal limit`), from 1 to 1000000. Without it there is no limit.",
    read: wholeNumber(1, 1_000_000),
  }),
  "oidc.issuer": key({
    type: "url",
    about:
      "The OpenID Connect issuer that people sign in with, exactly as its ID tokens name it; `https:`, or `http:` on loopback. With `oidc.client_id` it turns `claviger sign-in` on.",
    read: readIssuer,
  }),
  "oidc.client_id": key({
    type: "id",
    about:
      "The client as which the issuer knows Claviger's command line: a public one, with PKCE and the redirect `http://127.0.0.1/callback` on any port.",
    read: readText,
  }),
  "oidc.audience": key({
    type: "name",
    about: "Whom ID tokens must be meant for (`aud`). Without it, for `oidc.client_id`.",
    read: readText,
  }),
  "oidc.token_hours": key({
    type: "number",
    fallback: "8",
    about: "How long the token of a sign-in lasts, in hours, from 1 to 720.",
    read: wholeNumber(1, 720),
  }),
  "tls.cert": key({
    type: "file",
    about:
      "The server's certificate in PEM, followed by the intermediate ones. With `tls.key` it turns TLS on.",
    read: readPath,
  }),
  "tls.key": key({
    type: "file",
    about:
      "The private key of `tls.cert` in PEM. Only the daemon's user, and at most its group, may read the file.",
    read: readPath,
  }),
  "tls.key_passphrase": key({
    type: "passphrase",
    secret: true,
    about: "The passphrase of `tls.key`, if that is encrypted.",
    read: readSecret,
    show: () => "[secret]",
  }),
  "tls.client_ca": key({
    type: "file",
    about:
      "Certificates of the CAs, in PEM, one of which must have issued the certificate of every client. Without it clients need none.",
    read: readPath,
  }),
  "tls.client_crl": key({
    type: "file",
    about:
      "Certificate revocation lists in PEM, one of each CA of `tls.client_ca` and of each intermediate one. A client whose certificate is in them is refused, and so is every client of a CA without a list that is up to date.",
    read: readPath,
  }),
  "pkcs11.modules": key({
    type: "TOML list",
    about:
      'The PKCS#11 modules that `claviger unit add pkcs11` may name, by their absolute paths. A module is a library that runs as the daemon\'s user, so no request loads one that is not in this list. In a variable or a flag as in the file: `["/usr/lib/softhsm/libsofthsm2.so"]`.',
    read: readPaths,
  }),
  "pkcs11.pins": key({
    type: "folder",
    about:
      "Where the PIN files of tokens lie that `claviger unit add pkcs11` may name; without it, the folder `pins` in the data folder. Each belongs to the daemon's user or to root, and is closed to all others but its group, which at most reads it.",
    read: readPath,
  }),
  "pkcs11.units": key({
    type: "TOML table",
    about:
      "Tokens by the address of their crypto unit, each as an RFC 7512 URI with `module-path` and `pin-source`: what `claviger unit add` with that address alone attaches, and what is opened there at every start. The module of an entry is allowed by it, and its PIN file may lie anywhere. With an entry for `01.0001` the first start makes the first master key in that token.",
    read: readTokenUris,
    show: (units) => Object.fromEntries(units),
  }),
  "pkcs11.clonable": key({
    type: "TOML list",
    about:
      "Those addresses of `pkcs11.units` whose unit is made so that its new master keys can be copied. A clonable master key can leave the token wrapped for another unit's pinned key; one that is not can never be copied, so its group has only this unit, and its loss is the loss of every key unless the HSM has its own backup. It is read when the unit is added (or made at the first start) and kept with it: a later change of the list changes no unit.",
    read: readUnitAddresses,
  }),
  "pkcs11.hosts": key({
    type: "number",
    about:
      "How many processes (unit hosts) load the module of each token, from 1 to 64; without it, as many as there are cores, which is right for a token in software. A host has one call to the token under way at a time: for an HSM in the network take 8 to 16, at about 50 MB each.",
    read: wholeNumber(1, 64),
  }),
  "pkcs11.environment": key({
    type: "TOML list",
    fallback: '["SOFTHSM2_CONF"]',
    about:
      "Variables of the daemon's environment that modules see. They see no others, and none whose name begins with `CLAVIGER_`.",
    read: readVariableNames,
  }),
  "pkcs11.library_parameters": key({
    type: "TOML table",
    about:
      "What a module is told when it is initialised (`pReserved` of `C_Initialize`), by its path. NSS softokn needs it: `configdir='sql:/var/lib/claviger/nss' certPrefix='' keyPrefix='' secmod='secmod.db' flags=`.",
    read: readLibraryParameters,
    show: (parameters) => Object.fromEntries(parameters),
  }),
} as const;

export type KeyName = keyof typeof CONFIG_KEYS;
export type KeyValue<Name extends KeyName> = ReturnType<(typeof CONFIG_KEYS)[Name]["read"]>;

export const KEY_NAMES = Object.keys(CONFIG_KEYS) as KeyName[];

export function isSecretKey(name: KeyName): boolean {
  const { secret }: { readonly secret?: true } = CONFIG_KEYS[name];
  return secret === true;
}

/** The default as it would be typed, undefined if there is none. */
export function fallbackOf(name: KeyName): string | undefined {
  const { fallback }: { readonly fallback?: string } = CONFIG_KEYS[name];
  return fallback;
}

/** The key in the TOML file: itself, or for a secret the path of the file that holds it. */
export function fileEntryOf(name: KeyName): string {
  return isSecretKey(name) ? `${name}_file` : name;
}

export function variableOf(name: KeyName): string {
  return `CLAVIGER_${name.replaceAll(".", "_").toUpperCase()}`;
}

export function flagOf(name: KeyName): string {
  return `--${fileEntryOf(name).replaceAll(/[._]/g, "-")}`;
}

/** A `config-invalid` that begins with the name of the key. */
export function invalidKey(name: string, complaint: string, cause?: unknown): Failure {
  return new Failure("config-invalid", `${name} ${complaint}.`, { field: name, cause });
}

function key<T>({
  show = (value) => value,
  ...row
}: Omit<KeyRow<T>, "shown"> & { readonly show?: (value: T) => unknown }): KeyRow<T> {
  return { ...row, shown: (given) => show(row.read(given)) };
}

function readText({ value, name }: Given): string {
  if (typeof value !== "string" || value === "") throw invalidKey(name, "must be a string that is not empty");
  return value;
}

function readPath(given: Given): string {
  return resolve(given.folder, readText(given));
}

function readIssuer(given: Given): string {
  const text = readText(given);
  const url = URL.parse(text);
  const secure = url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url.hostname));
  if (secure && /^https?:\/\/[!-~]{1,500}$/.test(text) && !/[?#@]/.test(text)) return text;
  throw invalidKey(
    given.name,
    "must be the address of an issuer: https:// (or http:// on loopback), at most 500 characters, without query, fragment and password",
  );
}

function readSecret(given: Given): SecretBytes {
  return new SecretBytes(Uint8Array.from(Buffer.from(readText(given), "utf8")));
}

function readListen(given: Given): ListenAddress {
  const text = readText(given);
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || !(port <= 65_535))
    throw invalidKey(given.name, "must be host:port, as 127.0.0.1:8440 or [::1]:8440");
  return { host, port };
}

function readLogLevel(given: Given): LogLevel {
  const text = readText(given);
  const level = LOG_LEVELS.find((one) => one === text);
  if (level === undefined) throw invalidKey(given.name, `must be one of ${LOG_LEVELS.join(", ")}`);
  return level;
}

function wholeNumber(minimum: number, maximum: number): (given: Given) => number {
  return ({ value, name }) => {
    const number = typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value;
    if (typeof number === "number" && Number.isInteger(number) && number >= minimum && number <= maximum)
      return number;
    throw invalidKey(name, `must be a whole number from ${minimum} to ${maximum}`);
  };
}

type ExpectedVps = Readonly<Record<string, readonly string[]>>;

function readExpectedVps({ value, name }: Given): ExpectedVps {
  if (typeof value === "string") return expectedVpsOfText(value, name);
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Date) {
    throw invalidKey(name, "must be a table of unit groups");
  }
  return expectedVps(Object.entries(value), (group) => `${name}.${group}`);
}

/** `group=pattern,pattern;group=pattern` */
function expectedVpsOfText(text: string, name: string): ExpectedVps {
  const entries = text.split(";").map((entry): [string, readonly string[]] => {
    const [group = "", patterns = "", ...more] = entry.split("=");
    if (more.length > 0) throw invalidKey(name, "must be group=pattern,pattern;group=pattern");
    return [group.trim(), patterns.split(",").map((pattern) => pattern.trim())];
  });
  return expectedVps(entries, () => name);
}

function expectedVps(entries: readonly [string, unknown][], nameOf: (group: string) => string): ExpectedVps {
  // Without a prototype, so that a group named `constructor` has no entry unless it is given one.
  const byGroup = Object.create(null) as Record<string, readonly string[]>;
  for (const [group, patterns] of entries) {
    if (!GROUP.test(group))
      throw invalidKey(nameOf(group), `names a group "${group}", which is no name of a group`);
    if (byGroup[group] !== undefined) throw invalidKey(nameOf(group), `names the group "${group}" twice`);
    byGroup[group] = patternsOf(patterns, nameOf(group));
  }
  return byGroup;
}

function patternsOf(value: unknown, name: string): readonly string[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  if (items.length === 0) throw invalidKey(name, "must be a list of verification patterns that is not empty");
  return items.map((item) => {
    const pattern = typeof item === "string" ? item.toLowerCase() : "";
    if (!PATTERN.test(pattern))
      throw invalidKey(name, "must hold verification patterns of 32 to 64 hex digits");
    return pattern;
  });
}
