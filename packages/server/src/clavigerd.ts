import type { Command } from "commander";
import { CommanderError } from "commander";
import { EXIT_STATUS, isFailure } from "./core/errors.ts";
import { readConfigFile } from "./ops/config.ts";
import { buildProgram } from "./program.ts";

/*
 * `clavigerd`: runs one verb and sets the exit status. Errors are one sentence and what to do, on stderr; with --json the
 * error object follows in a line of its own.
 */

const USAGE = 2;

const program = buildProgram(async (verb, { flags, args, options }) => {
  const sources = { env: process.env, cwd: process.cwd(), readFile: readConfigFile, flags };
  const status = await verb.run({ sources, args, options });
  if (status !== undefined) process.exitCode = status;
});

try {
  await program.parseAsync(process.argv);
} catch (error) {
  const status = report(error);
  // A daemon that failed half way may have left threads that would keep the process.
  process.exit(status);
}

/** Says what happened, and returns the exit status. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    if (error.code !== "commander.help")
      print("usage", "invalid", error.message.replace(/^error: /, ""), `See \`${helpPage()}\`.`);
    return USAGE;
  }
  if (isFailure(error)) {
    print(error.code, error.category, error.message, error.advice, error.field);
    return EXIT_STATUS[error.category];
  }
  const said = error instanceof Error ? (error.stack ?? error.message) : String(error);
  print("internal", "internal", said, "Report it: this is a defect of clavigerd.");
  return EXIT_STATUS.internal;
}

/** What a user types to read the help of the command that was meant. */
function helpPage(): string {
  const path = ["clavigerd"];
  let command: Command | undefined = program;
  for (const word of process.argv.slice(2)) {
    command = command.commands.find((candidate) => candidate.name() === word);
    if (command === undefined) break;
    path.push(word);
  }
  return [...path, "--help"].join(" ");
}

function print(code: string, category: string, message: string, advice: string, field?: string): void {
  process.stderr.write(`clavigerd: ${code}: ${message}\n  → ${advice}\n`);
  if (!process.argv.includes("--json")) return;
  process.stderr.write(
    `${JSON.stringify({ error: { code, category, message, advice, field: field ?? null } })}\n`,
  );
}
