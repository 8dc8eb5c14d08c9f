import type { Command } from "commander";
import { runClavigerd } from "../clavigerd.ts";
import { settled } from "../command.ts";

/**
 * Verbs of `clavigerd`, which need no running daemon and stay with it on its machine: they are handed on as they are typed,
 * help included. test/cli/cli.test.ts compares the list with the table of the daemon.
 */
const VERBS = {
  serve: "Run the daemon",
  config: "The configuration of the daemon: check and print",
  doctor: "Look whether this machine and the data folder are fit for keys",
  hsm: "Master keys of OpenStack Barbican in a PKCS#11 token, as `barbican-manage hsm` makes and finds them",
  barbican:
    "Project keys of an OpenStack Barbican: moved to other master keys in place, counted and opened, beside it as it serves",
} as const;

export function daemonCommands(program: Command): void {
  for (const [name, about] of Object.entries(VERBS)) handOn(program, [name], about);
}

/** A command that runs the verb of `clavigerd` with these words. */
export function handOn(parent: Command, words: readonly [string, ...string[]], about: string): void {
  const typed = `clavigerd ${words.join(" ")}`;
  settled(parent.command(words.at(-1) ?? words[0]))
    .summary(`${about} (by clavigerd)`)
    .description(`${about}. It runs \`${typed}\`, which is installed with the daemon, with what follows.`)
    .argument("[arguments...]", `see \`${typed} --help\``)
    .helpOption(false)
    .allowUnknownOption()
    .action(async () => {
      process.exitCode = await runClavigerd(process.argv.slice(2));
    });
}
