import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Daemon, Interposed } from "../packages/server/src/compose.ts";
import { composeDaemon } from "../packages/server/src/compose.ts";
import { readConfig } from "../packages/server/src/ops/config.ts";
import { createLog } from "../packages/server/src/ops/log.ts";
import { CHEAP_KDF } from "./contracts/software-units.ts";

/** The real daemon in the process of the test, on a free port: everything of it but its own process. */
export interface TestDaemon extends AsyncDisposable {
  readonly address: string;
  /** Of the administrator. */
  readonly token: string;
  readonly folder: string;
  readonly daemon: Daemon;
}

export interface TestDaemonOptions extends Interposed {
  /** A data folder to use and to leave; a new one, which is removed at the end, if none is given. */
  readonly folder?: string;
  /** More of the environment, as CLAVIGER_EXPECTED_VPS. */
  readonly env?: Readonly<Record<string, string>>;
  /** Takes the lines of its log, which is silent otherwise. */
  readonly log?: (line: string) => void;
}

export async function startTestDaemon(options: TestDaemonOptions = {}): Promise<TestDaemon> {
  const { folder: given, env, log, ...interposed } = options;
  const parent = given === undefined ? mkdtempSync(join(tmpdir(), "claviger-test-")) : undefined;
  const folder = given ?? join(parent ?? "", "data");
  const config = readConfig(
    { ...env, CLAVIGER_DATA: folder, CLAVIGER_LISTEN: "127.0.0.1:0" },
    tmpdir(),
    () => undefined,
  );
  const logger = log === undefined ? createLog("silent") : createLog("debug", { write: log });
  const daemon = await composeDaemon(config, logger, { kdf: CHEAP_KDF, ...interposed });
  return {
    address: daemon.url,
    token: readFileSync(daemon.data.adminToken, "utf8").trim(),
    folder,
    daemon,
    [Symbol.asyncDispose]: async () => {
      await daemon.stop();
      if (parent) rmSync(parent, { recursive: true, force: true });
    },
  };
}
