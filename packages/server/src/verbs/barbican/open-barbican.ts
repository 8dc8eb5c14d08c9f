import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { BarbicanConfig } from "../../barbican/config/barbican-config.ts";
import { readBarbicanConfig } from "../../barbican/config/barbican-config.ts";
import { openDatabase } from "../../barbican/database/open-database.ts";
import type { BarbicanDatabase } from "../../core/barbican/barbican-database.ts";
import type { ProjectKeyToken } from "../../core/barbican/project-key-token.ts";
import { Failure } from "../../core/errors.ts";
import { openProjectKeyToken } from "../../units/pkcs11/barbican/open-project-key-token.ts";
import { readPin } from "../pin-input.ts";
import type { VerbCall } from "../verb.ts";
import type { CommonOptions } from "./common-options.ts";

/** Where oslo.config looks, as far as it belongs to Barbican as a service; each only if it is there. */
const USUAL_FILES = ["/etc/barbican/barbican.conf", "/etc/barbican/barbican.conf.d"];

/** The files of a Barbican's configuration, and what they say. */
export interface ReadConfig {
  readonly files: readonly string[];
  /** How commands name them again: nothing where they are the usual ones. */
  readonly flags: string;
  readonly config: BarbicanConfig;
}

/** @throws Failure `barbican-config-unsuitable`. */
export function readConfig({ config: named }: CommonOptions, { cwd }: VerbCall["sources"]): ReadConfig {
  const files = named?.map((file) => resolve(cwd, file)) ?? USUAL_FILES.filter((file) => existsSync(file));
  if (files.length === 0)
    throw new Failure(
      "barbican-config-unsuitable",
      `there is no ${USUAL_FILES[0]}: name the file with --config`,
    );
  const flags = (named ?? []).map((file) => ` --config ${file}`).join("");
  return { files, flags, config: readBarbicanConfig(files) };
}

/** What a verb works with, until it is disposed of. */
export interface OpenBarbican extends AsyncDisposable {
  readonly database: BarbicanDatabase;
  readonly token: ProjectKeyToken;
}

/**
 * Opens the token first: a PIN is tried once, and a wrong one is to be known before anything else is done.
 * @throws Failure `barbican-config-unsuitable` for a token that cannot be opened as it is configured, `barbican-pin-refused`,
 * `barbican-database-unsuitable`, `barbican-database-failed`.
 */
export async function openBarbican(
  { config }: ReadConfig,
  options: CommonOptions,
  { env }: VerbCall["sources"],
): Promise<OpenBarbican> {
  await using opened = new AsyncDisposableStack();
  const token = await openToken(config, options, env);
  opened.defer(() => token.close());
  const database = await openDatabase(config.databaseUrl);
  opened.defer(() => database.close());
  const kept = opened.move();
  return { token, database, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function openToken(
  config: BarbicanConfig,
  { pinFile, hosts }: CommonOptions,
  env: VerbCall["sources"]["env"],
): Promise<ProjectKeyToken> {
  using ofConfig = config.pin;
  using pin = pinFile === undefined ? ofConfig : await readPin(pinFile);
  const environment = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  // What keeps it from opening is thrown, and said once.
  let isOpen = false;
  const token = await openProjectKeyToken({
    location: config.token,
    pin,
    hmacKeyType: config.hmacKeyType,
    hmacMechanism: config.hmacMechanism,
    environment: Object.fromEntries(environment),
    ...(hosts !== undefined && { hosts }),
    onTrouble: (text) => {
      if (isOpen) process.stderr.write(`clavigerd: ${text}\n`);
    },
  });
  isOpen = true;
  return token;
}
