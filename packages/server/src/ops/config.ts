import { readFileSync } from "node:fs";
import { BlockList, isIP } from "node:net";
import { dirname, join, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { Failure } from "../core/errors.ts";

/*
 * Where the configuration comes from, each overriding the one before:
 * - the defaults below;
 * - one TOML file: the one that CLAVIGER_CONFIG names, else `claviger.toml` in the data folder, if it is there;
 * - the environment.
 * An entry that is not known is an error, wherever it stands: a misspelt one would be a setting that silently fails.
 * Until there is TLS, the service listens on the loopback interface and nowhere else.
 */

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface ListenAddress {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface Config {
  /** Absolute path. */
  readonly dataFolder: string;
  readonly listen: ListenAddress;
  /** Absolute path of the folder of backups; it is made with the first one. */
  readonly backupFolder: string;
  readonly logLevel: LogLevel;
  /**
   * The verification patterns that the master keys of a unit group may have, each as its first 32 to 64 hex digits in
   * lower case; those of an open change may be in its registers too. A group without an entry is not restricted.
   */
  readonly expectedVps: Readonly<Record<string, readonly string[]>>;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULTS = { dataFolder: "claviger-data", listen: "127.0.0.1:8440", logLevel: "info" } as const;

const VARIABLES = [
  "CLAVIGER_CONFIG",
  "CLAVIGER_DATA",
  "CLAVIGER_LISTEN",
  "CLAVIGER_BACKUPS",
  "CLAVIGER_LOG_LEVEL",
  "CLAVIGER_EXPECTED_VPS",
];
/** Variables of the CLI, the SDK and the tests, which may stand in the same environment. */
const VARIABLES_OF_OTHERS = [
  "CLAVIGER_TOKEN",
  "CLAVIGER_TOKEN_FILE",
  "CLAVIGER_ADDR",
  "CLAVIGER_TEST_WITHOUT",
];

const FILE_ENTRIES = ["data", "listen", "backups", "log_level", "expected_vps"];

const GROUP = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;
const PATTERN = /^[0-9a-f]{32,64}$/;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/**
 * The configuration. `readFile` gives the text of a file, and undefined if there is none. Relative paths are taken from
 * `cwd`, those in the file from the folder of the file. Throws Failure `config-invalid`, which names the entry.
 */
export function readConfig(
  env: Environment,
  cwd: string,
  readFile: (path: string) => string | undefined,
): Config {
  refuseUnknownVariables(env);
  const fromEnv = (name: string): string | undefined => {
    if (env[name] === "") throw invalid(name, "is empty: set it or remove it");
    return env[name];
  };
  const given = fromEnv("CLAVIGER_DATA");
  const folder = resolve(cwd, given ?? DEFAULTS.dataFolder);
  const named = fromEnv("CLAVIGER_CONFIG");
  const path = named === undefined ? join(folder, "claviger.toml") : resolve(cwd, named);
  const text = readFile(path);
  if (text === undefined && named !== undefined)
    throw invalid("CLAVIGER_CONFIG", `names ${path}, which is not there`);
  const file = text === undefined ? {} : parseFile(path, text);

  const dataInFile = stringEntry(file, "data");
  if (dataInFile !== undefined && named === undefined) {
    throw invalid("data", `cannot stand in ${path}, which is in the data folder itself; use CLAVIGER_DATA`);
  }
  const dataFolder =
    given === undefined && dataInFile !== undefined ? resolve(dirname(path), dataInFile) : folder;

  const backups = fromEnv("CLAVIGER_BACKUPS");
  const backupsInFile = stringEntry(file, "backups");
  const expected = fromEnv("CLAVIGER_EXPECTED_VPS");
  return {
    dataFolder,
    backupFolder:
      backups !== undefined
        ? resolve(cwd, backups)
        : resolve(dirname(path), backupsInFile ?? join(dataFolder, "backups")),
    listen: pick(fromEnv, "CLAVIGER_LISTEN", file, "listen", DEFAULTS.listen, parseListen),
    logLevel: pick(fromEnv, "CLAVIGER_LOG_LEVEL", file, "log_level", DEFAULTS.logLevel, parseLogLevel),
    expectedVps: expected === undefined ? expectedVpsOfFile(file) : expectedVpsOfVariable(expected),
  };
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

function pick<T>(
  fromEnv: (name: string) => string | undefined,
  variable: string,
  file: Entries,
  entry: string,
  fallback: string,
  read: (text: string, name: string) => T,
): T {
  const text = fromEnv(variable);
  if (text !== undefined) return read(text, variable);
  return read(stringEntry(file, entry) ?? fallback, entry);
}

type Entries = Readonly<Record<string, unknown>>;

function refuseUnknownVariables(env: Environment): void {
  for (const name of Object.keys(env)) {
    if (!name.startsWith("CLAVIGER_") || [...VARIABLES, ...VARIABLES_OF_OTHERS].includes(name)) continue;
    throw invalid(name, `is no variable of Claviger; there are ${VARIABLES.join(", ")}`);
  }
}

function parseFile(path: string, text: string): Entries {
  let file: Entries;
  try {
    file = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new Failure("config-invalid", `${path} is not TOML: line ${error.line}, column ${error.column}.`, {
      field: path,
      cause: error,
    });
  }
  for (const name of Object.keys(file)) {
    if (!FILE_ENTRIES.includes(name))
      throw invalid(name, `in ${path} is not known; there are ${FILE_ENTRIES.join(", ")}`);
  }
  return file;
}

function stringEntry(file: Entries, name: string): string | undefined {
  const value = file[name];
  if (value === undefined) return undefined;
  if (typeof value !== "string" || value === "") throw invalid(name, "must be a string that is not empty");
  return value;
}

function parseListen(text: string, name: string): ListenAddress {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || !(port <= 65_535))
    throw invalid(name, "must be host:port, as 127.0.0.1:8440 or [::1]:8440");
  if (!isLoopback(host)) {
    throw invalid(
      name,
      `is ${host}, but this release has no TLS yet, so it listens on 127.0.0.0/8, ::1 or localhost only`,
    );
  }
  return { host, port };
}

function isLoopback(host: string): boolean {
  const version = isIP(host);
  if (version === 0) return host.toLowerCase() === "localhost";
  return LOOPBACK.check(host, version === 4 ? "ipv4" : "ipv6");
}

function parseLogLevel(text: string, name: string): LogLevel {
  const level = LOG_LEVELS.find((one) => one === text);
  if (level === undefined) throw invalid(name, `must be one of ${LOG_LEVELS.join(", ")}`);
  return level;
}

function expectedVpsOfFile(file: Entries): Config["expectedVps"] {
  const table = file["expected_vps"] ?? {};
  if (typeof table !== "object" || table === null || Array.isArray(table) || table instanceof Date) {
    throw invalid("expected_vps", "must be a table of unit groups");
  }
  return expectedVps(Object.entries(table), (group) => `expected_vps.${group}`);
}

/** `group=pattern,pattern;group=pattern` */
function expectedVpsOfVariable(text: string): Config["expectedVps"] {
  const entries = text.split(";").map((entry): [string, readonly string[]] => {
    const [group = "", patterns = "", ...more] = entry.split("=");
    if (more.length > 0)
      throw invalid("CLAVIGER_EXPECTED_VPS", "must be group=pattern,pattern;group=pattern");
    return [group.trim(), patterns.split(",").map((pattern) => pattern.trim())];
  });
  return expectedVps(entries, () => "CLAVIGER_EXPECTED_VPS");
}

function expectedVps(
  entries: readonly [string, unknown][],
  nameOf: (group: string) => string,
): Config["expectedVps"] {
  // Without a prototype, so that a group named `constructor` has no entry unless it is given one.
  const byGroup = Object.create(null) as Record<string, readonly string[]>;
  for (const [group, patterns] of entries) {
    if (!GROUP.test(group))
      throw invalid(nameOf(group), `names a group "${group}", which is no name of a group`);
    if (byGroup[group] !== undefined) throw invalid(nameOf(group), `names the group "${group}" twice`);
    byGroup[group] = patternsOf(patterns, nameOf(group));
  }
  return byGroup;
}

function patternsOf(value: unknown, name: string): readonly string[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  if (items.length === 0) throw invalid(name, "must be a list of verification patterns that is not empty");
  return items.map((item) => {
    const pattern = typeof item === "string" ? item.toLowerCase() : "";
    if (!PATTERN.test(pattern)) throw invalid(name, "must hold verification patterns of 32 to 64 hex digits");
    return pattern;
  });
}

function invalid(name: string, complaint: string): Failure {
  return new Failure("config-invalid", `${name} ${complaint}.`, { field: name });
}
