import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ClavigerClient } from "@claviger/sdk";
import { buildProgram } from "../../packages/cli/src/program.ts";
import { VERBS } from "../../packages/server/src/verbs/table.ts";
import { startTestDaemon } from "../daemon.ts";
import { isWithout } from "../set-up/without.ts";
import { runTranscript } from "./run-transcript.ts";

const FOLDER = fileURLToPath(new URL("transcripts", import.meta.url));
const BIN = fileURLToPath(new URL("../../packages/cli/bin/claviger.js", import.meta.url));

describe("claviger, by transcript", { concurrent: true }, () => {
  it.for(globSync("**/*.txt", { cwd: FOLDER }).sort())("%s", async (name, { skip }) => {
    skip(name === "hsm.txt" && isWithout("softhsm2"));
    await using service = await startTestDaemon();
    const { address, token, folder } = service;
    // The configuration of SoftHSM is a file that the transcript writes into its folder.
    const env = { DATA: folder, SOFTHSM2_CONF: "softhsm2.conf" };
    const run = runTranscript(`${FOLDER}/${name}`, { address, token, env });
    await expect(run).resolves.toBeUndefined();
  });
});

/** Runs the real command on a pseudo-terminal (util-linux `script`), types the answers, returns what the screen showed. */
async function onTerminal(
  command: string,
  answers: string[],
  { address, token }: { readonly address: string; readonly token: string },
): Promise<{ screen: string; exit: number }> {
  const child = spawn("script", ["-qefc", `'${process.execPath}' '${BIN}' ${command}`, "/dev/null"], {
    env: { PATH: process.env["PATH"] ?? "", CLAVIGER_ADDR: address, CLAVIGER_TOKEN: token, NO_COLOR: "1" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdout.on("data", (chunk: Buffer) => {
    if (chunk.includes("or more): ")) child.stdin.write(answers.shift() ?? "");
  });
  const exit = new Promise<number>((resolve) => child.once("close", (code) => resolve(code ?? -1)));
  return { screen: await text(child.stdout), exit: await exit };
}

describe.runIf(process.platform === "linux")("claviger on a terminal", () => {
  it("shows the registers, has the pattern retyped, and commits what was typed", async () => {
    await using service = await startTestDaemon();
    using client = new ClavigerClient(service);
    const generated = await client.masterKeys.generate();
    const vp = generated[0]?.registers.NEW.vp?.slice(0, 32) ?? "";
    const { screen, exit } = await onTerminal(
      "master-key commit",
      ["123\n", `0x${vp.toUpperCase()}\n`],
      service,
    );
    expect(screen).toMatch(
      new RegExp(`Full Uncommitted +${vp}[^]*Retype[^]*32 to 64[^]*Retype[^]*Full Committed +${vp}`),
    );
    expect(exit).toBe(0);
  });

  it("does nothing when the input ends instead of an answer", async () => {
    await using service = await startTestDaemon();
    using client = new ClavigerClient(service);
    await client.masterKeys.generate();
    const { screen, exit } = await onTerminal("master-key clear-new", ["\u0004"], service);
    expect(screen).toContain("Nothing was typed, so nothing was done.");
    expect(exit).toBe(2);
  });
});

describe("claviger, for what clavigerd does", () => {
  it("hands on each of its verbs, and no other", () => {
    const isHandedOn = (command: ReturnType<typeof buildProgram>) =>
      command.summary().endsWith("(by clavigerd)");
    const { commands } = buildProgram();
    const verbs = commands.filter(isHandedOn).map((command) => command.name());
    const ofNouns = commands.flatMap((noun) =>
      noun.commands.filter(isHandedOn).map((command) => `${noun.name()} ${command.name()}`),
    );
    const missing = VERBS.map(({ words }) => words).filter(
      ([first, second]) => !verbs.includes(first) && !ofNouns.includes(`${first} ${second}`),
    );
    expect(missing).toEqual([]);
    for (const name of verbs) expect(VERBS.map(({ words: [first] }) => first)).toContain(name);
    for (const name of ofNouns) expect(VERBS.map(({ words }) => words.join(" "))).toContain(name);
  });

  it("says where to run it where that is not installed", async () => {
    const child = spawn(process.execPath, [BIN, "doctor", "--json"], {
      env: { PATH: "/nowhere" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const exit = new Promise((resolve) => child.once("close", resolve));
    expect(await text(child.stderr)).toMatch(
      /^claviger: `claviger doctor` is done by clavigerd, which is not installed on this machine\.\n {2}→ Run it on the machine of the daemon.*\n\{"error":\{"code":"clavigerd-missing"/,
    );
    expect(await exit).toBe(3);
  });
});

describe("claviger on a Node.js that is too old", () => {
  it("says so in one sentence, and not by a stack", async () => {
    const older = 'data:text/javascript,Object.defineProperty(process,"versions",{value:{node:"20.1.0"}})';
    const child = spawn(process.execPath, ["--import", older, BIN, "status"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const exit = new Promise((resolve) => child.once("close", resolve));
    expect(await text(child.stderr)).toMatch(
      /^claviger: This is Node\.js 20\.1\.0, .* 24 or newer\.\n {2}→ .*\n$/,
    );
    expect(await exit).toBe(1);
  });
});
