import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../core/errors.ts";
import type { UnitAddress } from "../core/ids.ts";
import type { SecretBytes } from "../core/secret/secret-bytes.ts";
import type { Given, KeyName, KeyValue, ListenAddress, LogLevel } from "./config-keys.ts";
import { CONFIG_KEYS, KEY_NAMES, invalidKey } from "./config-keys.ts";
import type { Collected, Environment, Flags, Source } from "./config-sources.ts";
import { collectConfig } from "./config-sources.ts";
import { isLoopback } from "./loopback.ts";
import type { StoreAddress } from "./store-address.ts";
import { withoutPasswords } from "./without-passwords.ts";

/** What the daemon is told. The keys are in config-keys.ts, the places that they come from in config-sources.ts. */
export interface Config {
  /** Absolute path. */
  readonly dataFolder: string;
  readonly listen: ListenAddress;
  /** Absolute path of the folder of backups; it is made with the first one. */
  readonly backupFolder: string;
  readonly logLevel: LogLevel;
  /** A PostgreSQL database; without it, the SQLite file in the data folder. */
  readonly store?: StoreAddress;
  /** Requests a second that a principal may make that has no limit of its own; without it, as many as it likes. */
  readonly requestsPerSecond?: number;
  /**
   * The verification patterns that the master keys of a unit group may have, each as its first 32 to 64 hex digits in
   * lower case; those of an open change may be in its registers too. A group without an entry is not restricted.
   */
  readonly expectedVps: Readonly<Record<string, readonly string[]>>;
  /** The issuer that people sign in with; without it nobody does. */
  readonly oidc?: OidcClient;
  /** Without it the daemon speaks plain HTTP, and listens on the loopback interface only. */
  readonly tls?: TlsFiles;
  readonly pkcs11: Pkcs11Config;
}

/** Which PKCS#11 tokens may be crypto units, and what their modules are given. */
export interface Pkcs11Config {
  /** Absolute paths of the modules that a request may name. */
  readonly modules: readonly string[];
  /** Absolute path of the folder with the PIN files that a request may name. */
  readonly pinFolder: string;
  /** RFC 7512 URIs of tokens by the address that they have as units. */
  readonly units: ReadonlyMap<UnitAddress, string>;
  /** Those of them whose new master keys may be copied to other units. */
  readonly clonable: readonly UnitAddress[];
  /** Unit hosts of each token; without it as many as there are cores. */
  readonly hosts?: number;
  /** The variables that modules see, those that are set. */
  readonly environment: Readonly<Record<string, string>>;
  /** What a module is initialised with, by its absolute path. */
  readonly libraryParameters: ReadonlyMap<string, string>;
}

export interface OidcClient {
  readonly issuer: string;
  readonly clientId: string;
  /** Undefined: the client. */
  readonly audience: string | undefined;
  /** How long the token of a sign-in lasts. */
  readonly tokenMs: number;
}

/** Absolute paths of PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly keyPassphrase?: SecretBytes;
  /** With it, every client needs a certificate that one of these has issued. */
  readonly clientCa?: string;
  /** With it, every certificate in the chain of a client is looked for in the list of its issuer. */
  readonly clientCrl?: string;
}

/** A key as `config print` shows it; without a value where it has none. */
export interface ConfigEntry {
  readonly key: KeyName;
  readonly value: unknown;
  readonly source: Source | null;
}

/** Without a prototype: no group has patterns by the name of a member of objects. */
const NO_PATTERNS: Config["expectedVps"] = Object.freeze(Object.create(null) as Record<string, never>);

/**
 * The configuration. `readFile` gives the text of a file, and undefined if there is none. Relative paths are taken from
 * `cwd`, those in the file from the folder of the file. Throws Failure `config-invalid`, which names the entry.
 */
export function readConfig(
  env: Environment,
  cwd: string,
  readFile: (path: string) => string | undefined,
  flags: Flags = {},
): Config {
  const collected = collectConfig({ env, cwd, readFile, flags });
  const tls = tlsOf(collected);
  const oidc = oidcOf(collected);
  const store = storeOf(collected);
  const requestsPerSecond = valueOf(collected, "requests_per_second");
  const dataFolder = always(collected, "data");
  const config = {
    dataFolder,
    backupFolder: valueOf(collected, "backups") ?? join(dataFolder, "backups"),
    listen: always(collected, "listen"),
    logLevel: always(collected, "log_level"),
    expectedVps: valueOf(collected, "expected_vps") ?? NO_PATTERNS,
    ...(requestsPerSecond !== undefined && { requestsPerSecond }),
    ...(oidc && { oidc }),
    ...(store && { store }),
    ...(tls && { tls }),
    pkcs11: pkcs11Of(collected, env, dataFolder),
  };
  refuseOpenListener(config, collected.given.get("listen")?.name ?? "listen");
  return config;
}

/** Every key with its value and where that came from, for people. Shows no secret. Throws as readConfig does. */
export function explainConfig(
  env: Environment,
  cwd: string,
  readFile: (path: string) => string | undefined,
  flags: Flags = {},
): { readonly path: string | null; readonly entries: readonly ConfigEntry[] } {
  readConfig(env, cwd, readFile, flags);
  const { path, given } = collectConfig({ env, cwd, readFile, flags });
  const entries = KEY_NAMES.map((key): ConfigEntry => {
    const one = given.get(key);
    if (one === undefined) return { key, value: null, source: null };
    return { key, value: shownWithoutPasswords(key, one), source: one.source };
  });
  return { path: path ?? null, entries };
}

/** The text of a configuration file, undefined if there is none: the `readFile` of a daemon. */
export function readConfigFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ENOTDIR: the data folder is no folder, which is for openDataFolder to say.
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new Failure("config-invalid", `${path} cannot be read (${code}).`, { field: path, cause: error });
  }
}

function shownWithoutPasswords(key: KeyName, given: Given): unknown {
  const shown = CONFIG_KEYS[key].shown(given);
  return typeof shown === "string" ? withoutPasswords(shown) : shown;
}

function valueOf<Name extends KeyName>({ given }: Collected, name: Name): KeyValue<Name> | undefined {
  const one = given.get(name);
  // The row of this very name: the compiler sees only that it is one of the table.
  return one === undefined ? undefined : (CONFIG_KEYS[name].read(one) as KeyValue<Name>);
}

/** The value of a key that has a default. */
function always<Name extends KeyName>(collected: Collected, name: Name): KeyValue<Name> {
  const value = valueOf(collected, name);
  if (value === undefined) throw invalidKey(name, "has neither a value nor a default");
  return value;
}

function oidcOf(collected: Collected): OidcClient | undefined {
  const issuer = valueOf(collected, "oidc.issuer");
  const clientId = valueOf(collected, "oidc.client_id");
  const audience = valueOf(collected, "oidc.audience");
  if (issuer !== undefined && clientId !== undefined)
    return { issuer, clientId, audience, tokenMs: always(collected, "oidc.token_hours") * 3_600_000 };
  for (const name of ["oidc.issuer", "oidc.client_id", "oidc.audience"] as const) {
    const alone = collected.given.get(name);
    if (alone !== undefined) throw invalidKey(alone.name, "needs oidc.issuer and oidc.client_id beside it");
  }
  return undefined;
}

function storeOf(collected: Collected): StoreAddress | undefined {
  const store = valueOf(collected, "store");
  const passwordFile = valueOf(collected, "store_password_file");
  const alone = collected.given.get("store_password_file");
  if (store === undefined && alone !== undefined)
    throw invalidKey(alone.name, "is the password of a database that `store` does not name");
  return store && { ...store, passwordFile };
}

function tlsOf(collected: Collected): TlsFiles | undefined {
  const cert = valueOf(collected, "tls.cert");
  const key = valueOf(collected, "tls.key");
  const keyPassphrase = valueOf(collected, "tls.key_passphrase");
  const clientCa = valueOf(collected, "tls.client_ca");
  const clientCrl = valueOf(collected, "tls.client_crl");
  if (cert !== undefined && key !== undefined) {
    const lists = collected.given.get("tls.client_crl");
    if (lists !== undefined && clientCa === undefined)
      throw invalidKey(lists.name, "needs tls.client_ca beside it");
    return {
      cert,
      key,
      ...(keyPassphrase && { keyPassphrase }),
      ...(clientCa !== undefined && { clientCa }),
      ...(clientCrl !== undefined && { clientCrl }),
    };
  }
  for (const name of [
    "tls.cert",
    "tls.key",
    "tls.key_passphrase",
    "tls.client_ca",
    "tls.client_crl",
  ] as const) {
    const alone = collected.given.get(name);
    if (alone !== undefined) throw invalidKey(alone.name, "needs tls.cert and tls.key beside it");
  }
  return undefined;
}

function pkcs11Of(collected: Collected, env: Environment, dataFolder: string): Pkcs11Config {
  const names = always(collected, "pkcs11.environment");
  const units = valueOf(collected, "pkcs11.units") ?? new Map<UnitAddress, string>();
  const hosts = valueOf(collected, "pkcs11.hosts");
  return {
    modules: valueOf(collected, "pkcs11.modules") ?? [],
    pinFolder: valueOf(collected, "pkcs11.pins") ?? join(dataFolder, "pins"),
    units,
    clonable: clonableOf(collected, units),
    ...(hosts !== undefined && { hosts }),
    environment: Object.fromEntries(
      names.flatMap((name) => {
        const value = env[name];
        return value === undefined ? [] : [[name, value]];
      }),
    ),
    libraryParameters: valueOf(collected, "pkcs11.library_parameters") ?? new Map(),
  };
}

function clonableOf(collected: Collected, units: Pkcs11Config["units"]): readonly UnitAddress[] {
  const addresses = valueOf(collected, "pkcs11.clonable") ?? [];
  const stray = addresses.find((address) => !units.has(address));
  if (stray === undefined) return addresses;
  const name = collected.given.get("pkcs11.clonable")?.name ?? "pkcs11.clonable";
  throw invalidKey(name, `names ${stray}, for which pkcs11.units has no token`);
}

/** Tokens, plaintexts and data keys do not go over a network in clear. */
function refuseOpenListener({ listen, tls }: Pick<Config, "listen" | "tls">, name: string): void {
  if (tls !== undefined || isLoopback(listen.host)) return;
  throw invalidKey(
    name,
    `is ${listen.host}, which other machines may reach, and there is no TLS: set tls.cert and tls.key, or listen on 127.0.0.0/8, ::1 or localhost`,
  );
}
