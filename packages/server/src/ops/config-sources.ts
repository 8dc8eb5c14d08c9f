import { dirname, join, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { Failure } from "../core/errors.ts";
import type { Given, KeyName } from "./config-keys.ts";
import {
  KEY_NAMES,
  fallbackOf,
  fileEntryOf,
  flagOf,
  invalidKey,
  isSecretKey,
  variableOf,
} from "./config-keys.ts";
import { nearestName } from "./nearest-name.ts";

/*
 * Where the configuration comes from, each overriding the one before:
 * - the defaults of the table of keys;
 * - one TOML file: the one that --config or CLAVIGER_CONFIG names, else `claviger.toml` in the data folder, if it is there;
 * - the environment;
 * - flags.
 * What is not known is an error, wherever it stands: a misspelt key would be a setting that silently fails.
 */

export type Environment = Readonly<Record<string, string | undefined>>;

/** Flags by the name of their key; `config` is the path of the TOML file. A secret's flag names the file that holds it. */
export type Flags = Readonly<Partial<Record<KeyName | "config", string>>>;

export interface Sources {
  readonly env: Environment;
  readonly flags: Flags;
  /** Relative paths of variables and flags begin here; those in the file, in its own folder. */
  readonly cwd: string;
  /** The text of a file, undefined if there is none. */
  readonly readFile: (path: string) => string | undefined;
}

/** What was given for each key, and by which source; keys that nobody gave, and that have no default, are not there. */
export interface Collected {
  /** Of the TOML file, undefined if there is none. */
  readonly path: string | undefined;
  readonly given: ReadonlyMap<KeyName, Given & { readonly source: Source }>;
}
export type Source = "default" | "file" | "environment" | "flag";

/** Variables that name no key: of the daemon, and of the command line, the SDK and the tests beside it. */
const OTHER_VARIABLES = [
  "CLAVIGER_CONFIG",
  "CLAVIGER_TOKEN",
  "CLAVIGER_TOKEN_FILE",
  "CLAVIGER_ADDR",
  "CLAVIGER_CA",
  "CLAVIGER_CLIENT_CERT",
  "CLAVIGER_CLIENT_KEY",
  "CLAVIGER_TEST_WITHOUT",
];

/** @throws Failure `config-invalid`, which names what is wrong as whoever gave it knows it. */
export function collectConfig(sources: Sources): Collected {
  refuseUnknownVariables(sources.env);
  const { path, text } = configFile(sources);
  const file = text === undefined ? new Map<string, unknown>() : fileEntries(path, text);
  if (file.has("data") && !isNamed(sources)) {
    throw invalidKey(
      "data",
      `cannot stand in ${path}, which is in the data folder itself; use CLAVIGER_DATA`,
    );
  }
  const given = new Map<KeyName, Given & { source: Source }>();
  for (const name of KEY_NAMES) {
    const one =
      ofFlag(sources, name) ??
      ofEnvironment(sources, name) ??
      ofFile(sources, name, path, file) ??
      ofTable(sources, name);
    if (one !== undefined) given.set(name, one);
  }
  return { path: text === undefined ? undefined : path, given };
}

type Found = (Given & { readonly source: Source }) | undefined;

function ofFlag(sources: Sources, name: KeyName): Found {
  const value = sources.flags[name];
  if (value === undefined) return undefined;
  const given = { value, name: flagOf(name), folder: sources.cwd, source: "flag" } as const;
  return isSecretKey(name) ? ofSecretFile(sources, given) : given;
}

function ofEnvironment(sources: Sources, name: KeyName): Found {
  const variable = variableOf(name);
  const value = fromEnvironment(sources.env, variable);
  const path = isSecretKey(name) ? fromEnvironment(sources.env, `${variable}_FILE`) : undefined;
  const of = { folder: sources.cwd, source: "environment" } as const;
  if (path === undefined) return value === undefined ? undefined : { ...of, value, name: variable };
  if (value !== undefined) throw invalidKey(variable, `and ${variable}_FILE are both set: remove one`);
  return ofSecretFile(sources, { ...of, value: path, name: `${variable}_FILE` });
}

function ofFile(sources: Sources, name: KeyName, path: string, file: ReadonlyMap<string, unknown>): Found {
  const entry = fileEntryOf(name);
  if (!file.has(entry)) return undefined;
  const given = { value: file.get(entry), name: entry, folder: dirname(path), source: "file" } as const;
  return isSecretKey(name) ? ofSecretFile(sources, given) : given;
}

function ofTable(sources: Sources, name: KeyName): Found {
  const value = fallbackOf(name);
  return value === undefined ? undefined : { value, name, folder: sources.cwd, source: "default" };
}

/** The secret in the file that was given, without the line break at its end. */
function ofSecretFile(
  { readFile }: Sources,
  given: Given & { readonly source: Source },
): Given & { readonly source: Source } {
  if (typeof given.value !== "string" || given.value === "")
    throw invalidKey(given.name, "must be a string that is not empty");
  const path = resolve(given.folder, given.value);
  const content = readFile(path);
  if (content === undefined) throw invalidKey(given.name, `names ${path}, which is not there`);
  const value = content.replace(/\r?\n$/, "");
  if (value === "") throw invalidKey(given.name, `names ${path}, which is empty`);
  return { ...given, value };
}

function fromEnvironment(env: Environment, variable: string): string | undefined {
  if (env[variable] === "") throw invalidKey(variable, "is empty: set it or remove it");
  return env[variable];
}

function refuseUnknownVariables(env: Environment): void {
  const known = [
    ...KEY_NAMES.flatMap((name) => {
      const variable = variableOf(name);
      return isSecretKey(name) ? [variable, `${variable}_FILE`] : [variable];
    }),
    ...OTHER_VARIABLES,
  ];
  for (const name of Object.keys(env)) {
    if (!name.startsWith("CLAVIGER_") || known.includes(name)) continue;
    throw invalidKey(name, `is no variable of Claviger; the nearest is ${nearestName(name, known)}`);
  }
}

function isNamed({ flags, env }: Sources): boolean {
  return flags.config !== undefined || env["CLAVIGER_CONFIG"] !== undefined;
}

function configFile({ flags, env, cwd, readFile }: Sources): { path: string; text: string | undefined } {
  const named = flags.config ?? fromEnvironment(env, "CLAVIGER_CONFIG");
  if (named === undefined) {
    const folder = flags.data ?? fromEnvironment(env, variableOf("data")) ?? fallbackOf("data") ?? "";
    const path = join(resolve(cwd, folder), "claviger.toml");
    return { path, text: readFile(path) };
  }
  const path = resolve(cwd, named);
  const text = readFile(path);
  const name = flags.config === undefined ? "CLAVIGER_CONFIG" : "--config";
  if (text === undefined) throw invalidKey(name, `names ${path}, which is not there`);
  return { path, text };
}

/** The entries of the file by their whole names; tables are taken apart unless they are a key themselves. */
function fileEntries(path: string, text: string): ReadonlyMap<string, unknown> {
  const known = KEY_NAMES.map(fileEntryOf);
  const entries = new Map<string, unknown>();
  const take = (table: object, prefix: string): void => {
    for (const [part, value] of Object.entries(table) as [string, unknown][]) {
      const name = prefix + part;
      if (known.includes(name)) entries.set(name, value);
      else if (isTable(value) && Object.keys(value).length > 0) take(value, `${name}.`);
      else throw invalidKey(name, `in ${path} is not known; the nearest is ${nearestName(name, known)}`);
    }
  };
  take(parseToml(path, text), "");
  return entries;
}

function isTable(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function parseToml(path: string, text: string): object {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new Failure("config-invalid", `${path} is not TOML: line ${error.line}, column ${error.column}.`, {
      field: path,
      cause: error,
    });
  }
}
