import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { constants as system } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { ClavigerError } from "@claviger/sdk";

/**
 * Runs `clavigerd` in place of this process, as far as anyone can see: the same input and output, signals handed on, and
 * its exit status returned. Rejects with ClavigerError where it is not installed.
 */
export async function runClavigerd(args: readonly string[]): Promise<number> {
  const program = installedClavigerd();
  if (program === undefined) {
    throw new ClavigerError({
      code: "clavigerd-missing",
      category: "precondition",
      message: `\`claviger ${args[0]}\` is done by clavigerd, which is not installed on this machine.`,
      advice: "Run it on the machine of the daemon, or install the package @claviger/server here.",
    });
  }
  const child = spawn(program, args, { stdio: "inherit" });
  const handOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  const signals: NodeJS.Signals[] = ["SIGTERM", "SIGHUP", "SIGINT"];
  // Ctrl-C at a terminal reaches the child by itself, and a second one could mean "at once" to it.
  const onTerminal = process.stdin.isTTY;
  for (const signal of signals)
    process.on(signal, signal === "SIGINT" && onTerminal ? () => undefined : () => handOn(signal));
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : system.signals[signal])),
    );
  });
}

/** Beside this program, where npm puts both; else on the PATH. */
function installedClavigerd(): string | undefined {
  const folders = [dirname(process.argv[1] ?? ""), ...(process.env["PATH"] ?? "").split(delimiter)];
  return folders
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, "clavigerd"))
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    // What cannot be run for any reason of the file system is not the one to run.
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}
