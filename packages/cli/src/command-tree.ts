import type { Argument, Command, Option } from "commander";

/**
 * A command line as plain data, for what is generated from it: completion and man pages. Hidden options and commands are
 * not in it; `--help` is in every command that has it.
 */
export interface CommandNode {
  /** As it is typed, from the name of the program on. */
  readonly path: readonly string[];
  /** Its line in lists. */
  readonly summary: string;
  /** Its paragraph of help. */
  readonly about: string;
  readonly arguments: readonly ArgumentNode[];
  readonly options: readonly OptionNode[];
  readonly commands: readonly CommandNode[];
}

interface ArgumentNode {
  /** As the usage line has it: `<name>`, `[change]`. */
  readonly shown: string;
  readonly choices: readonly string[];
  readonly about: string;
}

export interface OptionNode {
  /** `--json`, or `-V` and `--version`. */
  readonly names: readonly string[];
  /** What stands for its value: `<file>`, `<address...>`; null where it takes none. */
  readonly value: string | null;
  readonly choices: readonly string[];
  readonly about: string;
}

export function commandTree(command: Command, above: readonly string[] = []): CommandNode {
  const path = [...above, command.name()];
  const help = command.createHelp();
  return {
    path,
    summary: command.summary() === "" ? command.description() : command.summary(),
    about: command.description(),
    arguments: command.registeredArguments.map(argumentNode),
    options: help.visibleOptions(command).map(optionNode),
    commands: help.visibleCommands(command).map((child) => commandTree(child, path)),
  };
}

/** The command and everything below it, each before what is below it. */
export function allCommands(root: CommandNode): CommandNode[] {
  return [root, ...root.commands.flatMap(allCommands)];
}

/** Whether the command does something by itself. One that takes arguments does, though others may stand below it. */
export function isVerb({ commands, arguments: taken }: CommandNode): boolean {
  return commands.length === 0 || taken.length > 0;
}

function argumentNode(argument: Argument): ArgumentNode {
  const word = argument.name() + (argument.variadic ? "..." : "");
  return {
    shown: argument.required ? `<${word}>` : `[${word}]`,
    choices: argument.argChoices ?? [],
    about: argument.description,
  };
}

function optionNode(option: Option): OptionNode {
  return {
    names: [option.short, option.long].filter((name) => name !== undefined),
    value: /[<[].+[>\]]/.exec(option.flags)?.[0] ?? null,
    choices: option.argChoices ?? [],
    about: option.description,
  };
}
