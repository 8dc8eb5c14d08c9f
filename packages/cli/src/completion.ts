import type { CommandNode, OptionNode } from "./command-tree.ts";
import { allCommands } from "./command-tree.ts";

/*
 * Completion of a command line in three shells, from its tree. Each script finds out which command is meant (a path of
 * words), then offers what may follow: the values of an option that waits for one, else commands below, choices and options.
 * Nothing is asked of the service: names of projects and keys are not offered, for a key press must not make requests.
 */

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const satisfies Record<
  Shell,
  (root: CommandNode) => string
>;

/** The script that makes `shell` complete the program. */
export function completionScript(shell: Shell, root: CommandNode): string {
  return SCRIPTS[shell](root);
}

interface Candidate {
  readonly word: string;
  readonly about: string;
}

/** What may stand next, where no option waits for its value. */
function candidatesOf({ commands, options, arguments: args }: CommandNode): Candidate[] {
  return [
    ...commands.map(({ path, summary }) => ({ word: path.at(-1) ?? "", about: summary })),
    ...args.flatMap(({ choices, about }) => choices.map((word) => ({ word, about }))),
    ...options.flatMap(({ names, about }) => names.slice(-1).map((word) => ({ word, about }))),
  ];
}

/** What an option waits for: the name of a file, one of its choices, or what only the user knows. */
function waitsFor({ value, choices }: OptionNode): "nothing" | "file" | "choice" | "anything" {
  if (value === null) return "nothing";
  if (choices.length > 0) return "choice";
  return /^[<[](?:file|folder)/.test(value) ? "file" : "anything";
}

/** `path --option`, as the scripts compare it, for each option of the tree that waits for that. */
function waiting(root: CommandNode, what: "file" | "anything"): string[] {
  return allCommands(root).flatMap(({ path, options }) =>
    options.filter((option) => waitsFor(option) === what).flatMap(({ names }) => placesOf(path, names)),
  );
}

function placesOf(path: readonly string[], names: readonly string[]): string[] {
  return names.map((name) => [...path, name].join(" "));
}

function choices(root: CommandNode): { readonly places: string[]; readonly words: readonly string[] }[] {
  return allCommands(root).flatMap(({ path, options }) =>
    options
      .filter((option) => waitsFor(option) === "choice")
      .map(({ names, choices: words }) => ({ places: placesOf(path, names), words })),
  );
}

/** Paths of more than the program: a word that makes one of these belongs to the command. */
function paths(root: CommandNode): string[] {
  return allCommands(root)
    .slice(1)
    .map(({ path }) => path.join(" "));
}

function quoted(words: readonly string[]): string {
  return words.map((word) => `"${word}"`).join("|");
}

/** In single quotes, as sh, zsh and (with its own escapes) fish take it literally. */
function literal(text: string, escapedQuote = `'\\''`): string {
  return `'${text.replaceAll("'", escapedQuote)}'`;
}

function bashScript(root: CommandNode): string {
  const name = root.path[0] ?? "";
  return `# bash completion of ${name}:  source <(${name} completion bash)
_${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} at=${name} candidates= nth
  for ((nth = 1; nth < COMP_CWORD; nth++)); do
    case "$at \${COMP_WORDS[nth]}" in
      ${quoted(paths(root))}) at="$at \${COMP_WORDS[nth]}" ;;
    esac
  done
  COMPREPLY=()
  case "$at $previous" in
    ${quoted(waiting(root, "file"))}) compopt -o default; return ;;
    ${quoted(waiting(root, "anything"))}) return ;;
${choices(root)
  .map(({ places, words }) => `    ${quoted(places)}) candidates=${literal(words.join(" "))} ;;\n`)
  .join("")}    *) case "$at" in
${allCommands(root)
  .map((node) => {
    const words = candidatesOf(node).map(({ word }) => word);
    return `      "${node.path.join(" ")}") candidates=${literal(words.join(" "))} ;;\n`;
  })
  .join("")}    esac ;;
  esac
  COMPREPLY=($(compgen -W "$candidates" -- "$current"))
}
complete -F _${name} ${name}
`;
}

function zshScript(root: CommandNode): string {
  const name = root.path[0] ?? "";
  return `#compdef ${name}
# zsh completion of ${name}:  source <(${name} completion zsh), or this as _${name} in a folder of fpath
_${name}() {
  local at=${name} nth
  local -a candidates
  for ((nth = 2; nth < CURRENT; nth++)); do
    case "$at $words[nth]" in
      (${quoted(paths(root))}) at="$at $words[nth]" ;;
    esac
  done
  case "$at $words[CURRENT-1]" in
    (${quoted(waiting(root, "file"))}) _files; return ;;
    (${quoted(waiting(root, "anything"))}) return ;;
${choices(root)
  .map(({ places, words }) => `    (${quoted(places)}) compadd -- ${words.join(" ")}; return ;;\n`)
  .join("")}  esac
  case "$at" in
${allCommands(root)
  .map((node) => {
    const described = candidatesOf(node).map(({ word, about }) => literal(`${word}:${about}`));
    return `    ("${node.path.join(" ")}") candidates=(${described.join(" ")}) ;;\n`;
  })
  .join("")}  esac
  _describe '${name}' candidates
}
if [ "$funcstack[1]" = _${name} ]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}

function fishScript(root: CommandNode): string {
  const name = root.path[0] ?? "";
  const lines = allCommands(root).flatMap((node) => {
    const at = `complete -c ${name} -n ${literal(`test (__${name}_at) = "${node.path.join(" ")}"`)}`;
    const described = (about: string) => `-d ${fishLiteral(about)}`;
    return [
      ...node.commands.map(({ path, summary }) => `${at} -a ${path.at(-1) ?? ""} ${described(summary)}`),
      ...node.arguments
        .filter((argument) => argument.choices.length > 0)
        .map((argument) => `${at} -a ${literal(argument.choices.join(" "))} ${described(argument.about)}`),
      ...node.options.map((option) => `${at} ${fishOption(option)} ${described(option.about)}`),
    ];
  });
  return `# fish completion of ${name}:  ${name} completion fish | source
function __${name}_at
    set -l at ${name}
    for word in (commandline -opc)[2..]
        switch "$at $word"
            case ${paths(root)
              .map((path) => literal(path))
              .join(" ")}
                set at "$at $word"
        end
    end
    echo $at
end
complete -c ${name} -f
${lines.join("\n")}
`;
}

function fishOption(option: OptionNode): string {
  const names = option.names.map((name) =>
    name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
  );
  const value = {
    nothing: [],
    file: ["-r -F"],
    choice: [`-x -a ${literal(option.choices.join(" "))}`],
    anything: ["-x"],
  }[waitsFor(option)];
  return [...names, ...value].join(" ");
}

function fishLiteral(text: string): string {
  return literal(text.replaceAll("\\", "\\\\"), String.raw`\'`);
}
