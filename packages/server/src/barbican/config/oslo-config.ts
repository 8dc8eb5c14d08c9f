import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../../core/errors.ts";
import type { OsloSections } from "./oslo-ini.ts";
import { OsloSyntaxError, normalizedSection, parseOsloIni } from "./oslo-ini.ts";

/*
 * Options out of the files of oslo.config, as a service of OpenStack finds them (openstack/oslo.config: oslo_config/cfg.py,
 * _Namespace and ConfigOpts._substitute):
 *
 * - of several files the later one wins, whichever of an option's names it uses; within a file the first name of the option
 *   wins, and of a key that is repeated the last value;
 * - a folder stands for its *.conf, in order of their names (`--config-dir`);
 * - `$name`, `${name}`, `$group.name` and `${group.name}` stand for the value of another option: of the group of the option
 *   itself, or else of DEFAULT. `$$` and `\$` are a dollar sign.
 *
 * What differs: nothing here knows the options of all services with their defaults, so a reference to what no file sets is
 * refused, where oslo.config refuses what is not registered. Environment variables (OS_GROUP__NAME) are not read.
 */

const MAX_FILES = 100;
const MAX_FILE_BYTES = 1_048_576;
const MAX_REFERENCES_DEEP = 10;

/** A group and a name in it. */
export type OptionName = readonly [group: string, name: string];

export interface FoundOption {
  /** With its references resolved. */
  readonly value: string;
  /** Where it stands, for people: file, group and name. */
  readonly place: string;
}

interface OsloFile {
  readonly path: string;
  readonly sections: OsloSections;
}

export class OsloConfig {
  /** The latest first. */
  readonly #files: readonly OsloFile[];

  constructor(files: readonly OsloFile[]) {
    this.#files = files.toReversed();
  }

  /**
   * The value of an option that has, or had, these names; undefined where no file sets it.
   * @throws Failure `barbican-config-unsuitable` where a reference in it leads nowhere.
   */
  find(names: readonly OptionName[]): FoundOption | undefined {
    return this.#find(names, 0);
  }

  #find(names: readonly OptionName[], deep: number): FoundOption | undefined {
    for (const { path, sections } of this.#files) {
      for (const name of names) {
        const written = sections.get(normalizedSection(name[0]))?.get(name[1])?.at(-1);
        if (written === undefined) continue;
        const place = `${path}: [${name[0]}] ${name[1]}`;
        return { value: this.#substitute(written, name[0], place, deep), place };
      }
    }
    return undefined;
  }

  #substitute(written: string, group: string, place: string, deep: number): string {
    return written
      .replaceAll("\\$", "$$$$")
      .replaceAll(REFERENCE, (text, braced?: string, plain?: string) => {
        if (text === "$$") return "$";
        const name = braced ?? plain;
        if (name === undefined) return text; // as it is: safe_substitute of Python's string.Template
        // Not even the name is told: it may be a part of a PIN.
        const refuse = (complaint: string): never => {
          throw new Failure(
            "barbican-config-unsuitable",
            `${place} ${complaint}. A $ that is none of a reference is written $$.`,
          );
        };
        if (deep === MAX_REFERENCES_DEEP) refuse("refers with $ to options that refer to each other");
        const dot = name.indexOf(".");
        const own: OptionName = dot < 0 ? [group, name] : [name.slice(0, dot), name.slice(dot + 1)];
        const found = this.#find([own], deep + 1) ?? this.#find([["DEFAULT", name]], deep + 1);
        return found?.value ?? refuse("refers with $ to an option that no file sets");
      });
  }
}

/** `$$`, `${name}` or `$name` with the names of oslo.config; a `$` of none of these is found too. */
const REFERENCE = /\$(?:\$|\{([_a-z][._a-z0-9]*)\}|([_a-z][._a-z0-9]*))?/gi;

/**
 * Reads files and folders, in order of growing precedence.
 * @throws Failure `barbican-config-unsuitable` for what cannot be read, which names file and line and has no value in it.
 */
export function readOsloConfig(paths: readonly string[]): OsloConfig {
  const files = paths.flatMap(filesOf);
  if (files.length > MAX_FILES)
    throw new Failure(
      "barbican-config-unsuitable",
      `There are more than ${MAX_FILES} files of configuration.`,
    );
  return new OsloConfig(files.map((path) => ({ path, sections: parse(path, readText(path)) })));
}

function filesOf(path: string): string[] {
  return orUnreadable(path, () => {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => name.endsWith(".conf") && !name.startsWith("."));
    return names.sort().map((name) => join(path, name));
  });
}

function readText(path: string): string {
  const bytes = orUnreadable(path, () => {
    if (statSync(path).size > MAX_FILE_BYTES) throw tooLarge(path);
    return readFileSync(path);
  });
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new Failure("barbican-config-unsuitable", `${path} is not UTF-8 text.`, { cause: error });
  } finally {
    bytes.fill(0);
  }
}

function parse(path: string, text: string): OsloSections {
  try {
    return parseOsloIni(text);
  } catch (error) {
    if (!(error instanceof OsloSyntaxError)) throw error;
    throw new Failure("barbican-config-unsuitable", `${path}, line ${error.line}: ${error.message}.`, {
      cause: error,
    });
  }
}

function orUnreadable<Result>(path: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof Failure || code === undefined) throw error;
    throw new Failure("barbican-config-unsuitable", `${path} cannot be read (${code}).`, { cause: error });
  }
}

function tooLarge(path: string): Failure {
  return new Failure("barbican-config-unsuitable", `${path} is larger than ${MAX_FILE_BYTES} bytes.`);
}
