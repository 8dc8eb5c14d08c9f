import { relative } from "node:path";
import type { Daemon } from "./compose.ts";
import { composeDaemon } from "./compose.ts";
import { isFailure } from "./core/errors.ts";
import { shownVp } from "./core/ids.ts";
import { readConfig, readConfigFile } from "./ops/config.ts";
import { createLog } from "./ops/log.ts";
import { processWarnings } from "./ops/process-hardening.ts";
import { VERSION } from "./version.ts";

const CONFIGURED_BY = `The daemon takes no arguments. It is configured by the environment:
  CLAVIGER_DATA     data folder (default ./claviger-data)
  CLAVIGER_LISTEN   host:port (default 127.0.0.1:8440)
  CLAVIGER_STORE    postgres://user@host/database (default: an SQLite file in the data folder)
  CLAVIGER_CONFIG   a TOML file with these and more (default <data>/claviger.toml, if it is there)`;

/** `npm start`: reads the configuration, composes, listens, and stops when it is told to. */
async function main(): Promise<void> {
  if (process.argv.length > 2) {
    process.stderr.write(`usage: npm start\n\n${CONFIGURED_BY}\n`);
    process.exit(2);
  }
  process.umask(0o077);
  const config = readConfig(process.env, process.cwd(), readConfigFile);
  const log = createLog(config.logLevel);
  for (const warning of processWarnings()) log.warn(warning);
  const daemon = await composeDaemon(config, log);
  let stopping = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      daemon.stop().then(
        () => process.exit(0),
        (error: unknown) => die(error),
      );
    });
  }
  // The last: whoever reads it may stop the daemon at once.
  process.stdout.write(greeting(daemon));
}

function greeting({ url, data, store, created }: Daemon): string {
  const serves = `Claviger ${VERSION} serves on ${url}\n`;
  if (created === undefined) return serves;
  const at = (path: string) => relative(process.cwd(), path) || path;
  const isFile = !store.includes("://");
  const together = isFile ? "units, PINs and database" : "units and PINs";
  return [
    `Created, in the evaluation layout (${together} side by side; keep them apart in production):`,
    `  crypto unit     ${at(data.units)}/01.0001.unit`,
    `  its PIN         ${at(data.pins)}/01.0001.pin`,
    `  database        ${isFile ? at(store) : store}`,
    `  administrator   ${at(data.adminToken)}   (bearer token)`,
    `  master key      WK ${shownVp(created)}   (verification pattern)`,
    ``,
    serves,
    `Next, in another terminal:`,
    `  npx claviger status`,
    `  npx claviger project create shop`,
    `  npx claviger key create orders --project shop`,
    ``,
  ].join("\n");
}

function die(error: unknown): never {
  if (isFailure(error))
    process.stderr.write(`claviger: ${error.code}: ${error.message}\n  → ${error.advice}\n`);
  else
    process.stderr.write(
      `claviger: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
  process.exit(1);
}

main().catch(die);
