import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { TOKEN, startCannedService } from "./canned-service.ts";
import { runTranscript } from "./run-transcript.ts";

const FOLDER = fileURLToPath(new URL("transcripts", import.meta.url));
const BIN = fileURLToPath(new URL("../../packages/cli/bin/claviger.js", import.meta.url));

describe("claviger, by transcript", { concurrent: true }, () => {
  it.each(globSync("**/*.txt", { cwd: FOLDER }).sort())("%s", async (name) => {
    const service = await startCannedService();
    try {
      const run = runTranscript(`${FOLDER}/${name}`, { address: service.address, token: TOKEN });
      await expect(run).resolves.toBeUndefined();
    } finally {
      service.stop();
    }
  });
});

/** Runs the real command on a pseudo-terminal (util-linux `script`), types the answers, returns what the screen showed. */
async function onTerminal(
  command: string,
  answers: string[],
  address: string,
): Promise<{ screen: string; exit: number }> {
  const child = spawn("script", ["-qefc", `'${process.execPath}' '${BIN}' ${command}`, "/dev/null"], {
    env: { PATH: process.env["PATH"] ?? "", CLAVIGER_ADDR: address, CLAVIGER_TOKEN: TOKEN, NO_COLOR: "1" },
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
    const service = await startCannedService();
    const headers = { authorization: `Bearer ${TOKEN}` };
    await fetch(`${service.address}/v1/master-keys/generate`, { method: "POST", headers, body: "{}" });
    const { items } = (await (await fetch(`${service.address}/v1/units`, { headers })).json()) as {
      items: { registers: { NEW: { vp: string } }[] }[];
    };
    const vp = items[0]?.registers[0]?.NEW.vp.slice(0, 32) ?? "";
    const { screen, exit } = await onTerminal(
      "master-key commit",
      ["123\n", `0x${vp.toUpperCase()}\n`],
      service.address,
    );
    service.stop();
    expect(screen).toMatch(
      new RegExp(`Full Uncommitted +${vp}[^]*Retype[^]*32 to 64[^]*Retype[^]*Full Committed +${vp}`),
    );
    expect(exit).toBe(0);
  });

  it("does nothing when the input ends instead of an answer", async () => {
    const service = await startCannedService();
    const { screen, exit } = await onTerminal("master-key clear-new", ["\u0004"], service.address);
    service.stop();
    expect(screen).toContain("Nothing was typed, so nothing was done.");
    expect(exit).toBe(2);
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
