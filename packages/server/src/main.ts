import { relative } from "node:path";
import type { Daemon } from "./compose.ts";
import { composeDaemon } from "./compose.ts";
import { FIRST_UNIT, shownVp } from "./core/ids.ts";
import type { Config } from "./ops/config.ts";
import { createLog } from "./ops/log.ts";
import { processWarnings } from "./ops/process-hardening.ts";
import { VERSION } from "./version.ts";

/**
 * Composes the daemon, listens, and says so on stdout; resolves then. SIGTERM and SIGINT stop it. So does SIGHUP from a
 * terminal that goes away; elsewhere, with TLS, it has the files of certificate, key and client CAs read again.
 */
export async function serve(config: Config): Promise<void> {
  process.umask(0o077);
  const log = createLog(config.logLevel);
  for (const warning of processWarnings()) log.warn(warning);
  const daemon = await composeDaemon(config, log);
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    daemon.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.fatal({ err: error }, "The daemon did not stop in order.");
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  process.on("SIGHUP", process.stdin.isTTY ? stop : (daemon.reloadTls ?? stop));
  process.stdout.write(greeting(daemon, config.pkcs11.units.has(FIRST_UNIT)));
}

function greeting({ url, data, store, created }: Daemon, isToken: boolean): string {
  const serves = `Claviger ${VERSION} serves on ${url}\n`;
  if (created === undefined) return serves;
  const at = (path: string) => relative(process.cwd(), path) || path;
  const isFile = !store.includes("://");
  const together = isFile ? "units, PINs and database" : "units and PINs";
  const unit = `${at(data.units)}/${FIRST_UNIT}`;
  const unitLines = isToken
    ? [`  crypto unit     ${unit}.pkcs11   (a token, with the master key in it)`]
    : [`  crypto unit     ${unit}.unit`, `  its PIN         ${at(data.pins)}/${FIRST_UNIT}.pin`];
  return [
    `Created, in the evaluation layout (${together} side by side; keep them apart in production):`,
    ...unitLines,
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
