import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Step } from "./transcript.ts";
import { match, parseTranscript, withKept } from "./transcript.ts";

/**
 * Runs transcripts (transcript.ts says how they are written) against any service:
 *
 *   node test/cli/run-transcript.ts --addr http://127.0.0.1:8440 --token-file claviger-data/admin.token FILE…
 */
export interface Target {
  readonly address: string;
  readonly token: string;
  /** More of the environment; names that a transcript may use. */
  readonly env?: Readonly<Record<string, string>>;
}

const BINS = {
  claviger: fileURLToPath(new URL("../../packages/cli/bin/claviger.js", import.meta.url)),
  clavigerd: fileURLToPath(new URL("../../packages/server/bin/clavigerd.js", import.meta.url)),
};

/** Runs one transcript. Rejects at the first command that does not do what the transcript says, with both. */
export async function runTranscript(file: string, target: Target): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "claviger-transcript-"));
  try {
    const kept = new Map<string, string>();
    for (const step of parseTranscript(readFileSync(file, "utf8"))) {
      const ran = await run(withKept(step.command, kept), folder, target);
      const outcome = [match(step.stdout, ran.stdout, kept), match(step.stderr, ran.stderr, kept)];
      if (ran.exit !== step.exit || outcome.includes(null)) throw new Error(difference(file, step, ran));
      for (const found of outcome) for (const [name, value] of found ?? []) kept.set(name, value);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number | null;
}

/** Runs a command line as a user would: by sh, with `claviger` and `clavigerd` on the PATH and no terminal. */
async function run(command: string, folder: string, { address, token, env }: Target): Promise<Ran> {
  const bin = join(folder, ".bin");
  mkdirSync(bin, { recursive: true });
  for (const [name, path] of Object.entries(BINS)) {
    writeFileSync(join(bin, name), `#!/bin/sh\nexec '${process.execPath}' '${path}' "$@"\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const shell = spawn("sh", ["-c", command], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`,
      CLAVIGER_ADDR: address,
      CLAVIGER_TOKEN: token,
      XDG_CONFIG_HOME: folder,
      ...env,
    },
  });
  const exit = new Promise<number | null>((resolve) => shell.once("close", resolve));
  const [stdout, stderr] = await Promise.all([text(shell.stdout), text(shell.stderr)]);
  return { stdout, stderr, exit: await exit };
}

function difference(file: string, step: Step, ran: Ran): string {
  const expected = [...step.stdout, ...step.stderr.map((line) => `! ${line}`), `[exit ${step.exit}]`];
  const stderr = ran.stderr === "" ? [] : ran.stderr.trimEnd().split("\n");
  const actual = [ran.stdout.trimEnd(), ...stderr.map((line) => `! ${line}`), `[exit ${String(ran.exit)}]`];
  return `${file}:${step.line}\n$ ${step.command}\n--- expected\n${expected.join("\n")}\n--- actual\n${actual.join("\n")}`;
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { addr: { type: "string" }, "token-file": { type: "string" } },
    allowPositionals: true,
  });
  const { addr, "token-file": tokenFile } = values;
  if (addr === undefined || tokenFile === undefined) throw new Error("give --addr and --token-file");
  const token = readFileSync(tokenFile, "utf8").trim();
  for (const file of positionals) {
    await runTranscript(file, { address: addr, token });
    process.stdout.write(`ok ${file}\n`);
  }
}
