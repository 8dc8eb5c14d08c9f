import { resolve } from "node:path";
import { parse } from "smol-toml";
import { Failure } from "../core/errors.ts";
import type { UnitAddress } from "../core/ids.ts";
import { isUnitAddress } from "../core/ids.ts";

/*
 * The keys `pkcs11.…`, which are lists and tables. A variable or a flag has them as the TOML file would:
 * CLAVIGER_PKCS11_MODULES='["/usr/lib/softhsm/libsofthsm2.so"]'.
 */

/** As config-keys.ts has it. */
interface Given {
  readonly value: unknown;
  readonly name: string;
  readonly folder: string;
}

/** A variable of Claviger may hold a secret, and none of them means anything to a module. */
const VARIABLE = /^(?!CLAVIGER_)[A-Za-z_][A-Za-z0-9_]*$/;

/** Absolute paths, from a list. */
export function readPaths(given: Given): readonly string[] {
  return texts(given).map((path) => resolve(given.folder, path));
}

/** Names of environment variables, from a list. */
export function readVariableNames(given: Given): readonly string[] {
  const names = texts(given);
  for (const name of names)
    if (!VARIABLE.test(name))
      throw invalid(given.name, `names ${name}, which is no variable that a module may have`);
  return names;
}

/** Addresses of units, from a list. */
export function readUnitAddresses(given: Given): readonly UnitAddress[] {
  return texts(given).map((address) => {
    if (isUnitAddress(address)) return address;
    throw invalid(
      given.name,
      `names ${address}, which is no address of a crypto unit, as card.domain in hex: 02.0001`,
    );
  });
}

/** RFC 7512 URIs by the address of a unit. What they say is read by the PKCS#11 unit, which knows tokens. */
export function readTokenUris(given: Given): ReadonlyMap<UnitAddress, string> {
  const entries = textsByName(given, "02.0001").map(([address, uri]) => {
    const name = `${given.name}.${address}`;
    if (!isUnitAddress(address))
      throw invalid(name, "is no address of a crypto unit, as card.domain in hex: 02.0001");
    if (!uri.startsWith("pkcs11:"))
      throw invalid(name, "must be an RFC 7512 URI, as pkcs11:token=…?module-path=…&pin-source=file:…");
    if (/[?&]pin-value=/.test(uri))
      throw invalid(name, "carries a PIN; put it into a file and name that with pin-source");
    return [address, uri] as const;
  });
  return new Map(entries);
}

/** What a module is told when it is initialised, by its absolute path. */
export function readLibraryParameters(given: Given): ReadonlyMap<string, string> {
  const entries = textsByName(given, "/usr/lib/libsoftokn3.so");
  return new Map(entries.map(([path, parameters]) => [resolve(given.folder, path), parameters]));
}

function texts(given: Given): readonly string[] {
  const value = structured(given);
  const items: readonly unknown[] = Array.isArray(value) ? value : [undefined];
  return items.map((item) => {
    if (typeof item === "string" && item !== "") return item;
    throw invalid(given.name, 'must be a list of strings that are not empty, as ["…", "…"]');
  });
}

function textsByName(given: Given, example: string): readonly (readonly [string, string])[] {
  const value = structured(given);
  const isTable =
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
  const entries: readonly [string, unknown][] = isTable ? Object.entries(value) : [["", undefined]];
  return entries.map(([name, text]) => {
    if (typeof text === "string" && text !== "") return [name, text];
    throw invalid(given.name, `must be a table of strings that are not empty, as { "${example}" = "…" }`);
  });
}

/** What stands in the file, or what the text of a variable or a flag says in TOML. */
function structured({ value, name }: Given): unknown {
  if (typeof value !== "string") return value;
  try {
    const { given, ...more } = parse(`given = ${value}`);
    if (Object.keys(more).length === 0) return given;
  } catch (error) {
    throw invalid(name, "must be one value as a TOML file would have it", error);
  }
  throw invalid(name, "must be one value as a TOML file would have it");
}

function invalid(name: string, complaint: string, cause?: unknown): Failure {
  return new Failure("config-invalid", `${name} ${complaint}.`, { field: name, cause });
}
