import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ClavigerError } from "@claviger/sdk";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { decryptAll } from "../../demo/load/decrypt-all.ts";
import { Ledger } from "../../demo/load/ledger.ts";
import { openLoop } from "../../demo/load/schedule.ts";
import { countFailed, countServed, newTally, sumTallies } from "../../demo/load/tally.ts";
import { WrongUsage, readOptions } from "../../demo/options.ts";
import { faultsOf } from "../../demo/verdict.ts";

const MAIN = fileURLToPath(new URL("../../demo/main.ts", import.meta.url));

let temporary: string;
beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), "claviger-demo-test-"));
});
afterEach(() => rmSync(temporary, { recursive: true, force: true }));

let running: ReturnType<typeof spawn> | undefined;
afterEach(() => {
  running?.kill();
});

/** Runs the demo; `interruptAt` is what it has said on stderr when it is sent SIGINT. */
function demo(args: readonly string[], interruptAt?: RegExp) {
  const env = { ...process.env, TMPDIR: temporary };
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  running = child;
  let stdout = "";
  let stderr = "";
  let interrupted = false;
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
    if (!interrupted && interruptAt?.test(stderr)) {
      interrupted = true;
      child.kill("SIGINT");
    }
  });
  return new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, stdout, stderr }));
  });
}

/** Says whether a server still listens where the demo said that one does. */
async function answers(stderr: string): Promise<boolean> {
  const address = /server\s+(http:\S+),/.exec(stderr)?.[1];
  return await fetch(`${address}/livez`).then(
    () => true,
    () => false,
  );
}

describe("npm run demo", () => {
  test("changes the master key of three units under load, loses nothing, and leaves nothing behind", async () => {
    const args = ["--projects", "200", "--seconds", "1", "--units", "3", "--json"];
    const { status, stdout, stderr } = await demo(args);
    expect(stderr).toContain("No request failed, and every key is there.");
    expect(status).toBe(0);

    const outcome = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Record<string, unknown>;
    const numbers = [
      ["capacityPerSecond", 1],
      ["requestsPerSecond", 1],
      ["requests", 200],
      ["ciphertexts", 200],
      ["keys", 200],
      ["keksReenciphered", 201], // with that of the reserved project
      ["keksPerSecond", 1],
      ["keksVerified", 603],
      ["verifiedPerSecond", 1],
      ["p50BeforeMs", 0],
      ["p99BeforeMs", 0],
      ["p50DuringMs", 0],
      ["p99DuringMs", 0],
      ["p50AfterMs", 0],
      ["p99AfterMs", 0],
      ["p99Ratio", 0],
      ["changeSeconds", 0],
      ["seconds", 2],
    ] as const;
    for (const [name, least] of numbers) {
      expect(outcome[name], name).toBeTypeOf("number");
      expect(Number(outcome[name]), name).toBeGreaterThanOrEqual(least);
    }
    expect(outcome).toMatchObject({
      projects: 200,
      units: 3,
      failedRequests: 0,
      failures: {},
      lostKeys: 0,
      auditVerified: true,
      p99WithinGoal: Number(outcome["p99Ratio"]) <= 2,
    });

    const { from, to, censusBefore, censusAfter } = outcome as Record<"from" | "to", string> &
      Record<"censusBefore" | "censusAfter", { vp: string; current: number; previous: number }[]>;
    expect(to).not.toBe(from);
    expect(censusBefore.map(({ vp }) => vp)).toEqual([from]);
    expect(censusAfter.filter(({ current }) => current > 0).map(({ vp }) => vp)).toEqual([to]);
    expect(censusAfter.find(({ vp }) => vp === from)?.previous).toBeGreaterThanOrEqual(201);

    expect(readdirSync(temporary)).toEqual([]);
    expect(await answers(stderr)).toBe(false);
  });

  test("runs with one unit and a handful of projects, and prints the table", async () => {
    const { status, stdout } = await demo(["--projects", "5", "--seconds", "1", "--units", "1"]);
    for (const part of ["before the change", "during the change", "after the change", "0 keys lost"]) {
      expect(stdout).toContain(part);
    }
    expect(status).toBe(0);
  });

  test.each([
    ["as soon as the server is there", /server {6}http/],
    ["while it creates projects", /projects .* a second/],
  ])("stops the server and removes its folder when it is interrupted %s", async (_, at) => {
    const { status, stderr } = await demo(["--projects", "100000"], at);
    expect(status).toBe(130);
    expect(readdirSync(temporary)).toEqual([]);
    expect(await answers(stderr)).toBe(false);
  });

  test("shows its usage, and ends with status 2, for an option that it does not know", async () => {
    const { status, stdout, stderr } = await demo(["--project", "5"]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain("--project");
    expect(stderr).toContain("Usage: npm run demo");
  });

  test.each([
    ["--projects", "0"],
    ["--projects", "1.5"],
    ["--seconds", "-1"],
    ["--seconds", "1e2"],
    ["--units", "17"],
    ["--units", ""],
    ["extra", "5"],
  ])("refuses %s %s", (name, value) => {
    expect(() => readOptions([name, value])).toThrow(WrongUsage);
  });
});

describe("the verdict of the demo", () => {
  const good = {
    failedRequests: 0,
    lostKeys: 0,
    ciphertexts: 10,
    keksReenciphered: 10,
    auditVerified: true,
    to: "bb",
    censusAfter: [
      { vp: "aa", current: 0 },
      { vp: "bb", current: 11 },
    ],
  };

  test("finds no fault with a change that lost nothing", () => {
    expect(faultsOf(good)).toEqual([]);
  });

  test.each([
    ["one request failed", { failedRequests: 1 }],
    ["one key is lost", { lostKeys: 1 }],
    ["there was nothing to lose", { ciphertexts: 0 }],
    ["nothing was re-enciphered", { keksReenciphered: 0 }],
    ["the audit log is not whole", { auditVerified: false }],
    ["no pattern is in use", { censusAfter: [] }],
    ["the pattern in use is not the target", { censusAfter: [{ vp: "aa", current: 11 }] }],
    [
      "two patterns are in use",
      {
        censusAfter: [
          { vp: "aa", current: 1 },
          { vp: "bb", current: 10 },
        ],
      },
    ],
  ])("fails the run when %s", (_, fault) => {
    expect(faultsOf({ ...good, ...fault })).toHaveLength(1);
  });
});

describe("what the demo counts", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const refused = new ClavigerError({
    code: "ciphertext-refused",
    category: "invalid",
    message: "",
    advice: "",
  });

  test("a key is lost when one of its ciphertexts decrypts to something else, or not at all", async () => {
    const ledger = new Ledger();
    ledger.keep("p", "sound", bytes("1"), bytes("1"));
    ledger.keep("p", "changed", bytes("2"), bytes("2"));
    ledger.keep("p", "changed", bytes("two"), bytes("2"));
    ledger.keep("p", "refused", bytes("3"), bytes("3"));
    const decrypt = ({ ciphertext }: { ciphertext: Uint8Array }) => {
      const plaintext = new Uint8Array(ciphertext);
      return new TextDecoder().decode(plaintext) === "3"
        ? Promise.reject(refused)
        : Promise.resolve({ plaintext, keyId: "", keyVersion: 1 });
    };
    let done = 0;
    const reckoning = await decryptAll({ keys: { decrypt } }, ledger, () => (done += 1));
    expect(reckoning).toEqual({ ciphertexts: 4, keys: 3, lostKeys: 2 });
    expect(done).toBe(4);
  });

  test("a failed request stays counted, with its code, when tallies are summed", () => {
    const one = newTally();
    countServed(one, 5);
    countFailed(one, "key-disabled");
    const other = newTally();
    countFailed(other, "key-disabled");
    const sum = sumTallies([one, other, newTally()]);
    expect({ served: sum.served, failed: sum.failed }).toEqual({ served: 1, failed: 2 });
    expect([...sum.failures]).toEqual([["key-disabled", 2]]);
    expect(sum.latencies.count).toBe(1);
  });

  test("requests that a stall held back count from the time at which they were due", async () => {
    const stopping = new AbortController();
    const lateMs: number[] = [];
    let stalled = false;
    await openLoop(
      1000,
      10_000,
      (dueMs) => {
        lateMs.push(performance.now() - dueMs);
        if (!stalled) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
        stalled = true;
        if (lateMs.length >= 100) stopping.abort();
        return Promise.resolve();
      },
      stopping.signal,
    );
    expect(Math.max(...lateMs)).toBeGreaterThanOrEqual(80);
  });
});
