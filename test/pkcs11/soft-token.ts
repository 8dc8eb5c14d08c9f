import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TokenFacts } from "../../packages/server/src/units/pkcs11/token-facts.ts";

/*
 * The soft token of openCryptoki. Its slot daemon has places and shared memory that are the machine's, so it is started in
 * namespaces of its own, which takes root.
 */

const DAEMON = "/usr/sbin/pkcsslotd";
const NAMESPACES = ["--mount", "--ipc", "--pid", "--fork", "--kill-child"];
const START = fileURLToPath(new URL("soft-token.sh", import.meta.url));
const PROCESS = fileURLToPath(new URL("soft-token-process.ts", import.meta.url));

/** Whether openCryptoki is installed (Debian: opencryptoki), and this process may start its daemon. */
export function canStartSoftToken(): boolean {
  return existsSync(DAEMON) && spawnSync("unshare", [...NAMESPACES, "true"]).status === 0;
}

export function probeSoftToken(): TokenFacts {
  return onSoftToken(PROCESS) as TokenFacts;
}

/** What a program prints as JSON that is started beside the daemon, with the PIN of a fresh token in /run/pin. */
export function onSoftToken(program: string): unknown {
  const args = [...NAMESPACES, "sh", START, process.execPath, program];
  const { status, stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`openCryptoki's soft token failed: ${stderr}`);
  return JSON.parse(stdout) as unknown;
}
