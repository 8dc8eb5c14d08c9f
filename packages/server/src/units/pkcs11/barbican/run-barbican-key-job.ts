import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { SecretBytes } from "../../../core/secret/secret-bytes.ts";
import { reveal } from "../../../core/secret/secret-bytes.ts";
import type { BarbicanKeyJob, BarbicanKeyOutcome } from "./barbican-key-job.ts";

const ENTRY = fileURLToPath(new URL("barbican-keys-main.ts", import.meta.url));

/** An HSM in a network takes milliseconds for a key; one that is waited for so long does not answer. */
const DEADLINE_MS = 60_000;

/**
 * Has one job done in a process of its own, because the vendor's module may hang or crash; it dumps no core, which would
 * hold the PIN. `pin` stays the caller's.
 */
export async function runBarbicanKeyJob(
  job: BarbicanKeyJob,
  pin: SecretBytes,
  deadlineMs = DEADLINE_MS,
): Promise<BarbicanKeyOutcome> {
  const child = spawn(
    "/bin/sh",
    ["-c", 'ulimit -c 0; exec "$0" "$@"', process.execPath, "--disable-sigusr1", ENTRY],
    { stdio: ["pipe", 2, 2, "pipe"], timeout: deadlineMs, killSignal: "SIGKILL" },
  );
  const closed = once(child, "close");
  const outcome = text(child.stdio[3] as Readable);
  child.stdin?.on("error", (error: NodeJS.ErrnoException) => {
    // It ended before it read: how, is in its status.
    if (error.code !== "EPIPE") throw error;
  });
  child.stdin?.write(`${JSON.stringify(job)}\n`);
  child.stdin?.end(reveal(pin));
  const [status, signal] = (await closed) as [number | null, NodeJS.Signals | null];
  const said = await outcome;
  if (said !== "") return JSON.parse(said) as BarbicanKeyOutcome;
  const how = child.killed
    ? `did not answer within ${deadlineMs / 1000} s`
    : `ended its process with ${signal ?? `status ${status}`}`;
  const unknown = job.ask.what === "generate" ? "Whether there is a key now is not known: check. " : "";
  return {
    outcome: "failed",
    message: `the PKCS#11 module ${how}`,
    advice: `${unknown}See the log of the HSM and of its driver.`,
  };
}
