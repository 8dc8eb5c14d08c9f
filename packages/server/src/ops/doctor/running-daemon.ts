import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "./finding.ts";
import { finding } from "./finding.ts";

/** The daemon of a data folder, as the kernel shows its process. */
export interface RunningDaemon {
  readonly pid: number;
  /** Undefined where the system does not show them: not Linux, or another user's process. */
  readonly commandLine: readonly string[] | undefined;
  readonly limits: string | undefined;
}

/** What a daemon is started as: the program, or the file behind it. */
const PROGRAM = /(?:^|\/)clavigerd(?:\.[jt]s)?$/;

/** The daemon that daemon.pid names, if that process is alive and is one. (The lock itself is for daemons to try.) */
export function runningDaemon(dataFolder: string): RunningDaemon | undefined {
  const pid = Number(/^(\d{1,10})\n$/.exec(textOf(join(dataFolder, "daemon.pid")) ?? "")?.[1]);
  if (!(pid > 0) || !isAlive(pid)) return undefined;
  const commandLine = textOf(`/proc/${pid}/cmdline`)?.split("\0").slice(0, -1);
  // The pid may have gone to another program since a daemon was killed.
  if (commandLine !== undefined && !commandLine.some((word) => PROGRAM.test(word))) return undefined;
  return { pid, commandLine, limits: textOf(`/proc/${pid}/limits`) };
}

export function checkDaemon(daemon: RunningDaemon | undefined): Finding {
  if (daemon === undefined) return finding("daemon", "ok", "none runs on this data folder");
  return finding("daemon", "ok", `runs as process ${daemon.pid}`);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** The text of a file, undefined where there is none, or none for this user. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES" || code === "ESRCH") return undefined;
    throw error;
  }
}
