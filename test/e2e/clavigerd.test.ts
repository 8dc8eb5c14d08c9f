import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

const CLAVIGERD = fileURLToPath(new URL("../../packages/server/bin/clavigerd.js", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "claviger-daemon-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.runIf(process.platform === "linux")("clavigerd serve, started as it is", () => {
  test("turns off core dumps and the debugger for itself, and stays the process that was started", async () => {
    const data = join(scratch, "data");
    const start = 'ulimit -S -c "$(ulimit -H -c)"; exec "$0" "$1" serve --data "$2" --listen 127.0.0.1:0';
    const child = spawn("sh", ["-c", start, process.execPath, CLAVIGERD, data], {
      env: { PATH: process.env["PATH"] },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exit = once(child, "exit");
    let printed = "";
    await new Promise<void>((resolve, reject) => {
      child.once("exit", () => reject(new Error(printed)));
      child.stdout.on("data", (chunk: Buffer) => {
        printed += chunk.toString();
        if (printed.includes(" serves on http://127.0.0.1:")) resolve();
      });
    });
    expect(readFileSync(join(data, "daemon.pid"), "utf8")).toBe(`${child.pid}\n`);
    expect(readFileSync(`/proc/${child.pid}/limits`, "utf8")).toMatch(/^Max core file size +0 /m);
    expect(readFileSync(`/proc/${child.pid}/cmdline`, "utf8").split("\0")).toContain("--disable-sigusr1");

    const doctor = spawn(process.execPath, [CLAVIGERD, "doctor", "--json", "--data", data], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const { findings } = JSON.parse(await text(doctor.stdout)) as {
      findings: readonly { check: string; verdict: string; found: string }[];
    };
    const about = (name: string) => findings.find(({ check }) => check === name);
    expect(about("daemon")?.found).toBe(`runs as process ${child.pid}`);
    expect(about("debugger")?.verdict).toBe("ok");
    expect(about("files")?.verdict).toBe("ok");

    child.kill("SIGTERM");
    expect(await exit).toEqual([0, null]);
  });
});

test("clavigerd on a Node.js that is too old says so in one sentence, and not by a stack", async () => {
  const older = 'data:text/javascript,Object.defineProperty(process,"versions",{value:{node:"20.1.0"}})';
  const child = spawn(process.execPath, ["--import", older, CLAVIGERD, "doctor"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exit = once(child, "close");
  expect(await text(child.stderr)).toMatch(
    /^clavigerd: This is Node\.js 20\.1\.0, .* 24 or newer\.\n {2}→ .*\n$/,
  );
  expect(await exit).toEqual([1, null]);
});
