import type { Command } from "commander";
import type { Sources } from "../ops/config-sources.ts";

/** What a verb is given: where the configuration comes from, and what its own command line says. */
export interface VerbCall {
  readonly sources: Sources;
  readonly args: readonly string[];
  /** By the names that commander gives them; `json` is that of --json. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** A verb of `clavigerd`: it needs no running daemon. One file each, named in table.ts. */
export interface Verb {
  /** As it is typed: `["serve"]`, or noun and verb: `["config", "check"]`. */
  readonly words: readonly [string] | readonly [noun: string, verb: string];
  /** A paragraph of help; its first sentence is the line in lists. */
  readonly about: string;
  /** False where it needs no configuration: it has none of its flags. */
  readonly readsConfig?: false;
  /** A command line that works. */
  readonly example: string;
  /** Adds arguments and options of its own; the flags of the configuration are there already. */
  readonly withOptions: (command: Command) => Command;
  /** Resolves to the exit status; undefined is 0. Throws Failure. */
  readonly run: (call: VerbCall) => Promise<number | undefined>;
}

/** Every verb with a result has `--json`. */
export function withJson(command: Command): Command {
  return command.option("--json", "print one JSON document");
}

export function wantsJson({ options }: VerbCall): boolean {
  return options["json"] === true;
}
