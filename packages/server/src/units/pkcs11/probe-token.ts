import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { FailureCode } from "../../core/errors.ts";
import { Failure } from "../../core/errors.ts";
import { readPin } from "./pin-file.ts";
import type { TokenFacts } from "./token-facts.ts";
import type { ModuleOptions } from "./token/module.ts";
import type { TokenPlace } from "./token/token-place.ts";

/** Where the token is, as a PKCS#11 URI names it, and the file with its PIN in the first line. */
export interface TokenToProbe {
  readonly modulePath: string;
  readonly libraryParameters?: string | undefined;
  readonly pinFile: string;
  readonly token?: string | undefined;
  readonly serial?: string | undefined;
  readonly slotId?: number | undefined;
  readonly manufacturer?: string | undefined;
  readonly model?: string | undefined;
}

/** What the process is told. */
export interface ProbeOrder {
  readonly module: ModuleOptions;
  readonly place: TokenPlace;
}

/** What the process says: what it does next, and one of the others at its end. */
export type ProbeMessage = { readonly step: string } | ProbeResult;
type ProbeResult =
  | { readonly facts: TokenFacts }
  | { readonly failure: { readonly code: FailureCode; readonly message: string } };

const DEADLINE_MS = 60_000;
const PROCESS = fileURLToPath(
  new URL(`token/probe-process${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url),
);

/**
 * Proves by known answers what a token can do, in a process of its own, which sees `environment` and nothing else of it. The
 * PIN is tried once.
 * @throws Failure `unit-pin-wrong`; `unit-unreachable` when module or token are not there, crash, or are not done in time.
 */
export async function probeToken(
  location: TokenToProbe,
  environment: Readonly<Record<string, string>>,
  deadlineMs = DEADLINE_MS,
): Promise<TokenFacts> {
  const pin = readPin(location.pinFile);
  const child = spawn(process.execPath, [PROCESS, JSON.stringify(orderOf(location))], {
    env: environment,
    // A module may print what it likes; only what comes through the fourth is of the probe.
    stdio: ["pipe", "ignore", "ignore", "pipe"],
    timeout: deadlineMs,
    killSignal: "SIGKILL",
  });
  hand(child, pin);
  const [{ step, result }, signal] = await Promise.all([reportOf(child), endOf(child)]);
  if (!result)
    throw new Failure(
      "unit-unreachable",
      child.killed
        ? `the module was not done in ${deadlineMs / 1000} s; it was last asked for: ${step}`
        : `the module ended its process (${signal}); it was last asked for: ${step}`,
    );
  if ("failure" in result) throw new Failure(result.failure.code, result.failure.message);
  return result.facts;
}

function orderOf(location: TokenToProbe): ProbeOrder {
  const { modulePath, libraryParameters, token, serial, slotId, manufacturer, model } = location;
  return {
    module: { path: modulePath, libraryParameters },
    place: { label: token, serial, slot: slotId, manufacturer, model },
  };
}

/** Writes the PIN to the process, and wipes it. */
function hand(child: ChildProcess, pin: Buffer): void {
  // A process that ended before it read has said so, or will be found to have ended.
  child.stdin?.on("error", () => {});
  child.stdin?.end(pin, () => pin.fill(0));
}

async function reportOf(
  child: ChildProcess,
): Promise<{ readonly step: string; readonly result: ProbeResult | undefined }> {
  let step = "the token";
  let result: ProbeResult | undefined;
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const message = JSON.parse(line) as ProbeMessage;
    if ("step" in message) ({ step } = message);
    else result = message;
  }
  return { step, result };
}

/** The signal that ended the process, or its status. */
async function endOf(child: ChildProcess): Promise<string> {
  const [status, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  return signal ?? `status ${status}`;
}
