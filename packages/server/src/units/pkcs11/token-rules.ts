import { realpathSync, statSync } from "node:fs";
import type { Stats } from "node:fs";
import { resolve, sep } from "node:path";
import { Failure } from "../../core/errors.ts";
import type { UnitAddress } from "../../core/ids.ts";
import type { TokenLocation } from "./token-uri.ts";
import { parseTokenUri } from "./token-uri.ts";

/*
 * Which tokens may be attached. A module is a library that runs as the daemon's user, and a PIN goes wherever the module
 * sends it, so:
 * - whoever writes the configuration may name any module, parameters and PIN file;
 * - a request may name a module that the configuration names, and a PIN file in the one folder that is for them, and no
 *   parameters: with those a module may be led to other libraries and other databases;
 * - a PIN file is for the daemon: others may not touch it, and its group at most reads it, as that of a systemd credential.
 */

/** What the configuration says of tokens (`pkcs11.…`). */
export interface TokenRules {
  readonly modules: readonly string[];
  readonly pinFolder: string;
  /** RFC 7512 URIs by the address that the token has as a unit. */
  readonly units: ReadonlyMap<UnitAddress, string>;
  /** Those of `units` whose new master keys may be copied to other units. */
  readonly clonable: readonly UnitAddress[];
  /** Unit hosts of each token; without it as many as there are cores. */
  readonly hosts?: number;
  /** The variables that modules see. */
  readonly environment: Readonly<Record<string, string>>;
  /** What a module is initialised with, by its path; the URI of a token that the configuration names may say it too. */
  readonly libraryParameters: ReadonlyMap<string, string>;
}

/** A token that a daemon can log in to by itself. */
export type TokenWithPin = TokenLocation & { readonly pinFile: string };

/** @throws Failure `config-invalid` for a URI of the configuration that cannot be read, named by its entry. */
export function checkTokenRules(rules: TokenRules): void {
  for (const address of rules.units.keys()) configuredToken(rules, address);
}

/**
 * The token that the configuration names for the unit, if it does.
 * @throws Failure `config-invalid`.
 */
export function configuredToken(rules: TokenRules, address: UnitAddress): TokenWithPin | undefined {
  const uri = rules.units.get(address);
  if (uri === undefined) return undefined;
  const refuse = (complaint: string, cause?: unknown): never => {
    const entry = `pkcs11.units.${address}`;
    throw new Failure("config-invalid", `${entry}: ${complaint}`, { field: entry, cause });
  };
  const location = withParameters(rules, located(uri, refuse));
  return { ...location, pinFile: location.pinFile ?? refuse("the PKCS#11 URI has no pin-source") };
}

/**
 * The token that a request names.
 * @throws Failure `invalid-request`, `module-not-allowed`, `pin-file-refused`.
 */
export function requestedToken(rules: TokenRules, uri: string): TokenWithPin {
  const refuse = (complaint: string, cause?: unknown): never => {
    throw new Failure("invalid-request", complaint, { field: "pkcs11.uri", cause });
  };
  const location = located(uri, refuse);
  const { modulePath, libraryParameters, pinFile } = location;
  if (libraryParameters !== undefined)
    refuse("x-init-reserved is for the configuration to say: pkcs11.library_parameters");
  const named = [...rules.units.keys()].map((address) => configuredToken(rules, address)?.modulePath);
  if (!rules.modules.includes(modulePath) && !named.includes(modulePath))
    throw new Failure("module-not-allowed", `the configuration does not allow the module ${modulePath}`);
  if (pinFile === undefined) return refuse("the PKCS#11 URI has no pin-source");
  if (!isInside(rules.pinFolder, resolve(pinFile)))
    throw new Failure("pin-file-refused", `${pinFile} is not in ${rules.pinFolder}, where PIN files lie`);
  return { ...withParameters(rules, location), pinFile };
}

function withParameters(rules: TokenRules, location: TokenLocation): TokenLocation {
  const parameters = location.libraryParameters ?? rules.libraryParameters.get(location.modulePath);
  return parameters === undefined ? location : { ...location, libraryParameters: parameters };
}

/**
 * Looks at a PIN file before a module is started for it. `folder` is where it must be when its links are followed, and
 * `self` the daemon's user.
 * @throws Failure `pin-file-refused`.
 */
export function checkPinFile(path: string, folder?: string, self = process.getuid?.()): void {
  const refuse = (complaint: string, cause?: unknown): never => {
    throw new Failure("pin-file-refused", `the PIN file ${path} ${complaint}`, { cause });
  };
  const stats = statOf(path, refuse);
  if (!stats.isFile()) refuse("is not a file");
  if (folder !== undefined && !isInside(realpathSync(folder), realpathSync(path)))
    refuse(`is a link out of ${folder}`);
  if (self === undefined) return;
  if (stats.uid !== self && stats.uid !== 0)
    refuse(`belongs to user ${stats.uid}, but the daemon runs as user ${self}`);
  const mode = stats.mode & 0o777;
  if ((mode & 0o027) !== 0) refuse(`is open to others (mode ${mode.toString(8).padStart(4, "0")})`);
}

type Refuse = (complaint: string, cause?: unknown) => never;

function located(uri: string, refuse: Refuse): TokenLocation {
  try {
    return parseTokenUri(uri);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return refuse(error.message, error);
  }
}

function statOf(path: string, refuse: Refuse): Stats {
  try {
    return statSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return refuse(code === "ENOENT" ? "is not there" : `cannot be read (${code})`, error);
  }
}

function isInside(folder: string, path: string): boolean {
  return path.startsWith(folder + sep);
}
