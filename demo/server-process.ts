import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { abortable } from "./abortable.ts";

const CLAVIGERD = fileURLToPath(new URL("../packages/server/bin/clavigerd.js", import.meta.url));
const STOP_WITHIN_MS = 15_000;

/** The real server in a process of its own. Disposing of it stops it. */
export interface ServerProcess extends AsyncDisposable {
  /** `http://127.0.0.1:port`; the system chose the port. */
  readonly address: string;
  /** Token of the administrator. */
  readonly token: string;
}

/**
 * Starts a server on a data folder, which it creates if it is not there, and waits until it serves. `settings` are for
 * its environment. What it logs goes to `log`, line by line. Rejects when it ends before it serves, or `signal` is aborted.
 */
export async function startServer(
  dataFolder: string,
  settings: Readonly<Record<string, string>>,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<ServerProcess> {
  const env = {
    ...withoutSettings(process.env),
    ...settings,
    CLAVIGER_DATA: dataFolder,
    CLAVIGER_LISTEN: "127.0.0.1:0",
    CLAVIGER_LOG_LEVEL: "warn",
  };
  const child = spawn(process.execPath, [CLAVIGERD, "serve"], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  createInterface({ input: child.stderr }).on("line", log);
  try {
    const address = await abortable(signal, servedAddress(child));
    const token = readFileSync(join(dataFolder, "admin.token"), "utf8").trim();
    return { address, token, [Symbol.asyncDispose]: () => stop(child) };
  } catch (error) {
    await stop(child);
    throw error;
  }
}

/** Settings of whoever runs the demo are for another server, and unknown ones would be refused. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("CLAVIGER_")));
}

function servedAddress(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the server ended with status ${code} before it served`)));
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on("line", (line) => {
      const address = / serves on (http:\S+)$/.exec(line)?.[1];
      if (address !== undefined) resolve(address);
    });
  });
}

/** Asks it to finish what is under way and to end; one that does not is killed. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const deadline = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
  await ended;
  clearTimeout(deadline);
}
