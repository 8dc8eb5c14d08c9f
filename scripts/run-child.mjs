// Starts programs for the other scripts, and leaves none of them behind: a signal that asks this process to end is
// passed on to them, and this process ends after they have.

import { spawn } from "node:child_process";
import { constants } from "node:os";
import { isatty } from "node:tty";

const running = new Set();

/** The signal that asked this process to end, if one did: start nothing new then. */
export let stoppedBy;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    stoppedBy = signal;
    // Ctrl-C at a terminal reaches the children too, and a second one could mean "at once" to them.
    if (signal === "SIGINT" && [0, 1, 2].some(isatty)) return;
    for (const child of running) child.kill(signal);
  });
}

/** The exit status by which shells report the end by `signal`. */
export function statusOf(signal) {
  return 128 + constants.signals[signal];
}

/**
 * Runs a program to its end. With `capture` its stdout and stderr are returned together as `output`, and it reads
 * nothing; else it shares this process's own. Rejects if the program cannot be started.
 * @returns {Promise<{ status: number, output: string }>}
 */
export function runChild(command, args, { capture = false, cwd, env } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = capture ? ["ignore", "pipe", "pipe"] : "inherit";
    const child = spawn(command, args, { stdio, cwd, env });
    running.add(child);
    const chunks = [];
    child.stdout?.on("data", (chunk) => chunks.push(chunk));
    child.stderr?.on("data", (chunk) => chunks.push(chunk));
    child.once("error", (cause) => {
      running.delete(child);
      reject(new Error(`${command} cannot be started`, { cause }));
    });
    child.once("close", (code, signal) => {
      running.delete(child);
      resolve({ status: code ?? statusOf(signal), output: Buffer.concat(chunks).toString() });
    });
  });
}
