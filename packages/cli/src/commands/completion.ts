import type { Command } from "commander";
import { Argument } from "commander";
import { commandTree } from "../command-tree.ts";
import { settled, withExample } from "../command.ts";
import type { Shell } from "../completion.ts";
import { SHELLS, completionScript } from "../completion.ts";
import { print } from "../terminal.ts";

export function completionCommand(program: Command): void {
  withExample(
    settled(program.command("completion"))
      .summary("Print a script that completes commands and options in a shell")
      .description(
        "Print a script that completes commands and options in a shell. Have the shell read it at its start: bash in ~/.bashrc, zsh in ~/.zshrc behind compinit, fish in ~/.config/fish/config.fish. It asks nothing of the service.",
      )
      .addArgument(new Argument("<shell>", "the shell").choices(SHELLS)),
    "source <(claviger completion bash)\nsource <(claviger completion zsh)\nclaviger completion fish | source",
  ).action((shell: Shell) => print(completionScript(shell, commandTree(program)).trimEnd()));
}
