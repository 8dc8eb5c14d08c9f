import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { PYTHON } from "./installed.ts";

/** Barbican's API in a process of its own. */
export interface BarbicanApi {
  /** On 127.0.0.1. */
  readonly port: number;
  end(): Promise<void>;
}

export interface BarbicanApiOptions {
  readonly pasteIni: string;
  /** 0 for a free one. */
  readonly port: number;
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const PROGRAM = fileURLToPath(new URL("barbican-api.py", import.meta.url));

/** Resolves when it serves. It ends with this process at the latest. */
export async function startBarbicanApi(options: BarbicanApiOptions): Promise<BarbicanApi> {
  const { pasteIni, folder, environment } = options;
  const child = spawn(PYTHON, [PROGRAM, pasteIni, String(options.port)], {
    cwd: folder,
    env: environment,
    stdio: "pipe",
  });
  const exit = once(child, "exit");
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-10_000)));
  const ready = once(createInterface(child.stdout), "line").then(([line]) => Number(line));
  const port = await Promise.race([ready, exit.then(() => undefined)]);
  if (port === undefined) throw new Error(`Barbican's API did not start: ${said}`);
  return {
    port,
    end: async () => {
      child.kill("SIGTERM");
      await exit;
    },
  };
}
