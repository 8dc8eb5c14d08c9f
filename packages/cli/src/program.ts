import { Command } from "commander";
import manifest from "../package.json" with { type: "json" };
import { auditCommands } from "./commands/audit.ts";
import { backupCommands } from "./commands/backup.ts";
import { changeCommands } from "./commands/change.ts";
import { completionCommand } from "./commands/completion.ts";
import { daemonCommands } from "./commands/daemon.ts";
import { keyCommands } from "./commands/key.ts";
import { masterKeyCommands } from "./commands/master-key.ts";
import { payloadCommands } from "./commands/payload.ts";
import { principalCommands, roleCommands } from "./commands/principal.ts";
import { projectCommands } from "./commands/project.ts";
import { signInCommands } from "./commands/sign-in.ts";
import { signatureCommands } from "./commands/signature.ts";
import { storeCommands } from "./commands/store.ts";
import { statusCommands } from "./commands/status.ts";
import { tokenCommands } from "./commands/token.ts";
import { unitCommands } from "./commands/unit.ts";
import { settled } from "./command.ts";

/** The whole command line. */
export function buildProgram(): Command {
  const program = settled(new Command("claviger"))
    .description("Claviger keeps keys, and changes the master key above them while everything keeps running.")
    .version(manifest.version)
    .helpCommand(false)
    .addHelpText(
      "after",
      `
The service is found at CLAVIGER_ADDR (default http://127.0.0.1:8440). The token is CLAVIGER_TOKEN, or the content of
CLAVIGER_TOKEN_FILE, or of admin.token in CLAVIGER_DATA (default ./claviger-data), or what \`claviger sign-in\` got. For an https:// address CLAVIGER_CA names
the CA of the service, and CLAVIGER_CLIENT_CERT and CLAVIGER_CLIENT_KEY what the client proves itself with.

Exit status: 0 done, 1 failed, 2 usage, 3 a precondition is not met, 4 conflict, 5 blocked, 6 the service is not reachable.

First steps:
  claviger status
  claviger project create billing
  claviger key create main --project billing
  echo hello | claviger encrypt --project billing --key main
  claviger change --help            how a master key is changed`,
    );
  statusCommands(program);
  signInCommands(program);
  projectCommands(program);
  keyCommands(program);
  payloadCommands(program);
  signatureCommands(program);
  unitCommands(program);
  masterKeyCommands(program);
  changeCommands(program);
  principalCommands(program);
  roleCommands(program);
  tokenCommands(program);
  auditCommands(program);
  backupCommands(program);
  storeCommands(program);
  daemonCommands(program);
  completionCommand(program);
  return program;
}

/** What a user types to read the help of the command that these arguments mean. */
export function helpPage(program: Command, words: readonly string[]): string {
  const path = ["claviger"];
  let command: Command | undefined = program;
  for (const word of words) {
    command = command.commands.find((candidate) => candidate.name() === word);
    if (command === undefined) break;
    path.push(word);
  }
  return [...path, "--help"].join(" ");
}
