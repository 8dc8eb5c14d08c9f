import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import type { CommonOptions } from "./session.ts";
import { OpenSession, Session } from "./session.ts";

/** The shapes that all commands share: noun, verb, help with an example, and the options that every verb has. */

/** A noun that verbs belong to. `about` is its line in the list of commands and opens its help. */
export function noun(program: Command, name: string, about: string): Command {
  return settled(program.command(name))
    .description(about)
    .helpCommand(false)
    .addHelpText(
      "after",
      `\nSee \`claviger ${name} <command> --help\` for what each takes, with an example.`,
    );
}

const EXAMPLES = new WeakMap<Command, string>();

/** Shows what a user may type, below the help of the command. */
export function withExample(command: Command, example: string): Command {
  EXAMPLES.set(command, example);
  return command.addHelpText("after", `\nExample:\n${example.replace(/^/gm, "  ")}`);
}

/** The example of a command, one command line a line; undefined for nouns. */
export function exampleOf(command: Command): string | undefined {
  return EXAMPLES.get(command);
}

/** A verb: `about` is its paragraph of help (the first sentence is its line in lists), `example` what a user may type. */
export function verb(parent: Command, name: string, about: string, example: string): Command {
  const command = settled(parent.command(name))
    .summary(about.split(/\.(?:\s|$)/, 1)[0] ?? about)
    .description(about)
    .option("--json", "print the API's view as one JSON document")
    .addOption(
      new Option(
        "--addr <url>",
        "address of the service (default: CLAVIGER_ADDR, else http://127.0.0.1:8440)",
      ),
    )
    .option("--ca <file>", "CA of the service, PEM (default: CLAVIGER_CA, else those that Node.js trusts)")
    .option("--client-cert <file>", "certificate of the client, PEM (default: CLAVIGER_CLIENT_CERT)")
    .option("--client-key <file>", "its key, PEM (default: CLAVIGER_CLIENT_KEY)");
  return withExample(command, example);
}

/** Gives an action the session of its command, and closes it behind it. */
export function inSession<Args extends unknown[]>(act: (session: Session, ...args: Args) => Promise<void>) {
  return async function (this: Command, ...args: Args): Promise<void> {
    using session = new Session(this.optsWithGlobals<CommonOptions>());
    await act(session, ...args);
  };
}

/** As inSession, for commands that need no token, or bring their own. */
export function inOpenSession<Args extends unknown[]>(
  act: (session: OpenSession, ...args: Args) => Promise<void>,
) {
  return async function (this: Command, ...args: Args): Promise<void> {
    using session = new OpenSession(this.opts<CommonOptions>());
    await act(session, ...args);
  };
}

/** Errors are thrown, and printed once, by main.ts. */
export function settled(command: Command): Command {
  return command
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .allowExcessArguments(false);
}

/** `--group` and `--type`, for commands that concern one group and type of master key. */
export interface InGroup {
  readonly group?: string;
  readonly type?: "WK" | "SYM" | "ASYM" | "AES" | "APKA";
}

export function withGroup(command: Command): Command {
  return command
    .option("--group <name>", "unit group (default: the only one)")
    .addOption(
      new Option("--type <type>", "master key type (default: the only one)").choices([
        "WK",
        "SYM",
        "ASYM",
        "AES",
        "APKA",
      ]),
    );
}

/** Parses an option that is a whole number in a range. */
export function wholeNumber(minimum: number, maximum: number): (value: string) => number {
  return (value) => {
    const parsed = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (parsed >= minimum && parsed <= maximum) return parsed;
    throw new InvalidArgumentError(`It must be a whole number from ${minimum} to ${maximum}.`);
  };
}

/** A verification pattern as people type it: `0x`, blanks and upper case do not matter. Lengths are for the service. */
export function typedPattern(value: string): string {
  const digits = value.replace(/^0x/i, "").replaceAll(/\s/g, "").toLowerCase();
  if (/^[0-9a-f]{32,64}$/.test(digits)) return digits;
  throw new InvalidArgumentError("A verification pattern has 32 to 64 hexadecimal digits.");
}

/** Pages of a list: all of it, unless a limit was given. */
export interface PageOptions {
  readonly limit?: number;
  readonly after?: string;
}

export function withPages(command: Command): Command {
  return command
    .option("--limit <number>", "only one page of so many (default: everything)", wholeNumber(1, 1000))
    .option("--after <next>", "the page behind the one that ended with this `next`");
}

/** One page where one was asked for, else everything, in the same shape. */
export async function pageOrAll<Item>(
  { limit, after }: PageOptions,
  onePage: (page: {
    limit?: number | undefined;
    after?: string | undefined;
  }) => Promise<{ items: Item[]; next: string | null }>,
  all: () => AsyncIterable<Item>,
): Promise<{ items: Item[]; next: string | null }> {
  if (limit !== undefined || after !== undefined) return onePage({ limit, after });
  return { items: await Array.fromAsync(all()), next: null };
}

/** A line below a table that does not show everything. */
export function moreBehind(next: string | null): string {
  return next === null ? "" : `\n… more with --after ${next}`;
}
