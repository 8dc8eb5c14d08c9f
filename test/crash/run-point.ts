import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Ledger } from "./client-load.ts";
import {
  ClientLoad,
  checkLedger,
  createProject,
  dataKey,
  decrypt,
  encrypt,
  isConnectionGone,
} from "./client-load.ts";
import { openDatabase } from "./data-folder.ts";
import { checkInvariants } from "./invariants.ts";
import { Operator, drive } from "./operator.ts";
import type { Point } from "./points.ts";
import type { Scenario } from "./scenarios.ts";
import { SCENARIOS } from "./scenarios.ts";
import { administrator, startService } from "./service.ts";
import type { Template, Templates } from "./templates.ts";

const DAEMON = fileURLToPath(new URL("./crash-daemon.ts", import.meta.url));

/** A daemon in a process of its own, to be killed. */
export interface Victim {
  /** Undefined if it ended before it listened. */
  readonly url: Promise<string | undefined>;
  /** Resolves when it is gone, with the signal that ended it and what it said. */
  readonly gone: Promise<{ readonly signal: NodeJS.Signals | null; readonly said: string }>;
  readonly isGone: AbortSignal;
  kill(): void;
}

/** `preloaded`: a module that every thread of it loads before its own code. */
export async function startVictim(
  templates: Templates,
  args: readonly string[],
  preloaded?: string,
): Promise<Victim> {
  const preload = preloaded === undefined ? [] : ["--import", preloaded];
  const child = spawn(process.execPath, [...preload, DAEMON, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_COMPILE_CACHE: await templates.compiled() },
  });
  const isGone = new AbortController();
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const gone = once(child, "close").then(([, signal]: unknown[]) => {
    isGone.abort(new Error("the daemon is gone"));
    return { signal: signal as NodeJS.Signals | null, said };
  });
  const url = Promise.race([
    once(child.stdout, "data").then(([chunk]: unknown[]) => String(chunk).trim()),
    gone.then(() => undefined),
  ]);
  return { url, gone, isGone: isGone.signal, kill: () => void child.kill("SIGKILL") };
}

/**
 * Runs a scenario under load until the daemon is killed at the point; checks what it has left; starts it again; checks
 * that what clients were told is true and that requests succeed; repeats the verb that was interrupted and goes on to the
 * end; checks again.
 */
export async function runPoint(
  templates: Templates,
  point: Point,
  miss: "is a failure" | "may be missed" = "is a failure",
): Promise<"hit" | "missed"> {
  const scenario: Scenario = SCENARIOS[point.scenario];
  const run = await templates.copy(scenario.from);
  await scenario.before?.(run.folder);
  const args = [run.folder, point.call, point.moment, String(point.nth)];
  const victim = await startVictim(templates, args);
  const interrupted = await driveUntilGone(victim, scenario, run);
  const { signal, said } = await victim.gone;
  if (signal !== "SIGKILL") throw new Error(`the daemon ended by itself: ${said}`);
  if (interrupted === "never" && miss === "is a failure")
    throw new Error("the scenario does not reach this point");

  scenario.mend?.(run.folder);
  await recover(scenario, run, interrupted === "never" ? scenario.steps.length : interrupted);
  await rm(run.folder, { recursive: true });
  return interrupted === "never" ? "missed" : "hit";
}

/** What a crash has left must be whole, serve, and go on from `interrupted` to the scenario's end. */
export async function recover(scenario: Scenario, run: Template, interrupted: number): Promise<void> {
  const { folder, ledger, secondToken } = run;
  if (scenario.from !== "empty") await checkInvariants(folder);
  {
    await using service = await startService(folder);
    const client = administrator(service, 2);
    const { createsNothing = false } = scenario;
    if (!createsNothing) await requestsSucceed(client, ledger);
    await checkLedger(client, ledger, 60);
    using operator = new Operator(service, { secondToken, ledger, retries: 2 });
    await drive(operator, scenario.steps, interrupted);
    if (createsNothing) await requestsSucceed(client, ledger);
    await checkLedger(client, ledger);
    const { faults } = await client.audit.verify();
    if (faults.length > 0) throw new Error(`the audit log is not whole: ${JSON.stringify(faults)}`);
    client.close();
  }
  checkOutbox(folder);
  const found = await checkInvariants(folder);
  const wrong = scenario.end(found);
  if (wrong !== undefined) throw new Error(`at the end ${wrong}`);
}

/** Returns the step at which the daemon was killed. One that is still alive some time after the last is killed then. */
export async function driveUntilGone(
  victim: Victim,
  scenario: Scenario,
  run: Template,
  patienceMs = 3_000,
): Promise<number | "never"> {
  const url = await victim.url;
  if (url === undefined) return 0;
  const at = { url, folder: run.folder };
  const client = administrator(at, 0);
  let step = 0;
  const load = new ClientLoad(
    client,
    run.ledger,
    "load",
    scenario.createsNothing ? "creates nothing" : "creates",
  );
  using operator = new Operator(at, { ...run, load, gone: victim.isGone, retries: 0 });
  try {
    await drive(operator, scenario.steps, 0, (index) => (step = index));
    // The call may also be one of the clients' own.
    await Promise.race([victim.gone, sleep(patienceMs, undefined, { ref: false })]);
    if (!victim.isGone.aborted) return "never";
  } catch (error) {
    const { cause } = error as { readonly cause?: unknown };
    if (!victim.isGone.aborted && !isConnectionGone(error) && !isConnectionGone(cause)) throw error;
  } finally {
    victim.kill();
    await victim.gone;
    await load.stop();
    client.close();
  }
  return step;
}

/** Every record is in the audit log when a daemon has stopped. */
function checkOutbox(folder: string): void {
  using db = openDatabase(folder);
  const { left } = db.prepare("SELECT count(*) AS left FROM audit_outbox").get() as { left: number };
  if (left > 0) throw new Error(`${left} records are left in the outbox`);
}

/** One request of each kind, with no more than the retries that are promised. */
async function requestsSucceed(client: ReturnType<typeof administrator>, ledger: Ledger): Promise<void> {
  await createProject(client, ledger, "after-the-crash");
  await encrypt(client, ledger, "after-the-crash");
  await dataKey(client, ledger, "after-the-crash");
  const [first] = ledger.ciphertexts;
  if (first) await decrypt(client, first);
}
