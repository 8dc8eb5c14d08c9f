import { mkdtemp, rm } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { auditKey, verifyExport } from "@claviger/audit";
import { ClavigerClient } from "@claviger/sdk";
import { abortable } from "./abortable.ts";
import { LoadCrew } from "./load/load-crew.ts";
import { USAGE, WrongUsage, readOptions } from "./options.ts";
import type { DemoOptions } from "./options.ts";
import type { AuditCheck } from "./outcome.ts";
import { outcomeOf } from "./outcome.ts";
import { runPhases } from "./phases.ts";
import { Progress } from "./progress.ts";
import { report } from "./report.ts";
import type { ServerProcess } from "./server-process.ts";
import { startServer } from "./server-process.ts";
import { softHsmUnits } from "./tokens.ts";
import { faultsOf } from "./verdict.ts";

/*
 * `npm run demo`: the main job, before your eyes. A real server in a temporary folder, real clients in threads of their
 * own, and a master-key change while they work. Whatever happens, the server is stopped and the folder removed.
 */

/** Event loops that send: with one, at high rates, the measurement would wait for itself. */
const LOAD_THREADS = 2;

const progress = new Progress();

async function demo(options: DemoOptions, signal: AbortSignal): Promise<number> {
  const startedMs = performance.now();
  await using cleanUp = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "claviger-demo-"));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  const dataFolder = join(folder, "data");
  const log = (line: string) => progress.say(`server says ${line}`);

  const tokens = options.unit === "softhsm2" ? cleanUp.use(softHsmUnits(options.units)) : undefined;
  const settings = tokens?.environment ?? {};

  let server = cleanUp.use(await startServer(dataFolder, settings, log, signal));
  progress.say(`server      ${server.address}, in ${folder}`);
  const admin = cleanUp.use(new ClavigerClient(server));
  for (let units = 1; units < options.units; units += 1)
    await admin.units.add({ address: tokens?.addresses[units] });
  const { token } = await admin.principals.create({
    name: "shops",
    grants: [{ role: "key-user" }, { role: "key-admin" }],
  });
  const threads = Math.min(LOAD_THREADS, options.projects);
  const crew = cleanUp.use(new LoadCrew(threads, { address: server.address, token }));

  const populating = progress.step("projects   ");
  await abortable(
    signal,
    crew.populate(options.projects, (done) => populating.update(done, options.projects)),
  );
  populating.finish(options.projects, options.projects, "each with a KEK, a key and a ciphertext");
  const { address } = server;
  const measured = await abortable(
    signal,
    runPhases({ admin, address, crew, progress }, options.seconds, signal),
  );

  // Another process with nothing in memory: every KEK is opened again, from its row, under the new master key.
  await server[Symbol.asyncDispose]();
  server = cleanUp.use(await startServer(dataFolder, settings, log, signal));
  progress.say("restart     so that nothing is answered from memory");
  const decrypting = progress.step("decrypt    ");
  const reckoning = await abortable(
    signal,
    crew.decryptAll(server.address, (done) => decrypting.update(done, Math.max(done, options.projects))),
  );
  decrypting.finish(reckoning.ciphertexts, reckoning.ciphertexts);

  const audit = await abortable(signal, verifyAudit(server));
  progress.say(`audit       ${audit.records} records verified in ${audit.seconds.toFixed(1)} s`);

  const seconds = (performance.now() - startedMs) / 1000;
  const outcome = outcomeOf(
    { projects: options.projects, units: options.units, seconds },
    measured,
    reckoning,
    audit,
  );
  const faults = faultsOf(outcome);
  const table = report(outcome, measured, faults);
  if (options.json) {
    progress.say(table);
    console.log(JSON.stringify(outcome));
  } else console.log(table);
  return faults.length === 0 ? 0 : 1;
}

/** Exports the whole audit log and verifies it here, with the keys that the service names: hashes, chains, signatures. */
async function verifyAudit(server: ServerProcess): Promise<AuditCheck> {
  using admin = new ClavigerClient(server);
  const startedMs = performance.now();
  const trusted = (await admin.audit.keys()).map(({ pem }) => auditKey(pem));
  const lines = async function* (): AsyncGenerator<Uint8Array> {
    for await (const text of admin.audit.export()) yield Buffer.from(text, "utf8");
  };
  const { faultCount, records } = await verifyExport(lines(), { trusted });
  const seconds = (performance.now() - startedMs) / 1000;
  return { verified: faultCount === 0 && records > 0, records, seconds };
}

class Interrupted extends Error {
  readonly signal: "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGPIPE";
  constructor(signal: Interrupted["signal"]) {
    super(`interrupted by ${signal}`);
    this.signal = signal;
  }
}

async function main(): Promise<number> {
  const stopping = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => stopping.abort(new Interrupted(signal)));
  }
  // Nobody reads any more: without this the process would end at once, and leave the server behind.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", () => stopping.abort(new Interrupted("SIGPIPE")));
  }
  try {
    const options = readOptions(process.argv.slice(2));
    if (options !== undefined) return await demo(options, stopping.signal);
    console.log(USAGE);
    return 0;
  } catch (error) {
    if (error instanceof WrongUsage) {
      progress.say(`${error.message}\n\n${USAGE}`);
      return 2;
    }
    if (error instanceof Interrupted) {
      progress.say("interrupted: the server is stopped and its folder removed");
      return 128 + constants.signals[error.signal];
    }
    progress.say(
      `The demo could not be finished: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    return 1;
  }
}

process.exitCode = await main();
