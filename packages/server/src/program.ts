import { Command, Option } from "commander";
import { CONFIG_KEYS, KEY_NAMES, flagOf, isSecretKey } from "./ops/config-keys.ts";
import type { Flags } from "./ops/config-sources.ts";
import { NOUNS, VERBS } from "./verbs/table.ts";
import type { Verb, VerbCall } from "./verbs/verb.ts";
import { VERSION } from "./version.ts";

const HEAD =
  "clavigerd is Claviger on its own machine: the daemon, and the verbs that need no running daemon.";
const TAIL = `
Every verb but those of hsm and barbican reads the configuration: flags, then CLAVIGER_… variables, then the file that --config or
CLAVIGER_CONFIG names (default: claviger.toml in the data folder), then the defaults. What is not known is an error.

Exit status: 0 done, 1 failed, 2 usage, 3 a precondition is not met, 4 conflict, 5 blocked, 6 something is not reachable.

First steps:
  clavigerd serve                   run the daemon; the first start creates a data folder, here
  clavigerd doctor                  is this machine fit for keys?
  clavigerd config print            what the daemon would be told, and by whom`;

/** The command line of `clavigerd`; `run` has a verb done and takes its exit status. */
export function buildProgram(
  run: (verb: Verb, call: Pick<VerbCall, "args" | "options"> & { readonly flags: Flags }) => Promise<void>,
): Command {
  const program = settled(new Command("clavigerd"))
    .description(HEAD)
    .version(VERSION)
    .helpCommand(false)
    .addHelpText("after", TAIL);
  for (const verb of VERBS) {
    const command = commandOf(program, verb);
    command.action(async function (this: Command) {
      await run(verb, { flags: flagsOf(this), args: this.args, options: this.opts() });
    });
  }
  return program;
}

function commandOf(program: Command, verb: Verb): Command {
  const [first, second] = verb.words;
  const parent = second === undefined ? program : nounOf(program, first);
  const command = settled(parent.command(second ?? first))
    .summary(verb.about.split(/\.(?:\s|$)/, 1)[0] ?? verb.about)
    .description(verb.about)
    .addHelpText("after", `\nExample:\n${verb.example.replace(/^/gm, "  ")}`);
  const own = verb.withOptions(command);
  return verb.readsConfig === false ? own : withConfigFlags(own);
}

function nounOf(program: Command, name: string): Command {
  const known = program.commands.find((command) => command.name() === name);
  if (known !== undefined) return known;
  return settled(program.command(name))
    .description(NOUNS[name] ?? name)
    .helpCommand(false);
}

const CONFIG_FLAG = new Option(
  "--config <file>",
  "the TOML file (default: claviger.toml in the data folder)",
);
const KEY_FLAGS = KEY_NAMES.map((name) => {
  const type = isSecretKey(name) ? "file" : CONFIG_KEYS[name].type;
  const meaning = CONFIG_KEYS[name].about.split(/\.(?:\s|$)/, 1)[0]?.replaceAll("`", "") ?? "";
  return [name, new Option(`${flagOf(name)} <${type}>`, meaning)] as const;
});

function withConfigFlags(command: Command): Command {
  command.addOption(CONFIG_FLAG);
  for (const [, option] of KEY_FLAGS) command.addOption(option);
  return command;
}

function flagsOf(command: Command): Flags {
  const options = command.opts<Record<string, string | undefined>>();
  const named = [["config", CONFIG_FLAG] as const, ...KEY_FLAGS];
  return Object.fromEntries(
    named.flatMap(([name, option]) => {
      const value = options[option.attributeName()];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Errors are thrown, and printed once, by clavigerd.ts. */
function settled(command: Command): Command {
  return command
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .allowExcessArguments(false);
}
