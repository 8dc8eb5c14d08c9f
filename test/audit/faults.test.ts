import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { auditKey, verifyExport } from "@claviger/audit";
import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import type { AuditRecordView } from "@claviger/sdk";
import { afterAll, describe, expect, test } from "vitest";
import { SCRATCH } from "../model/scratch.ts";

/*
 * The real daemon, each test with its own, all of them side by side, whose audit log meets a disk that does not answer, fills up or may not be written, or whose file is
 * taken away. It refuses with 503 and says why, and goes on by itself; nothing that was answered lacks its record.
 */

const CLAVIGERD = fileURLToPath(new URL("../../packages/server/bin/clavigerd.js", import.meta.url));
const BROKEN_DISK = new URL("./broken-disk.ts", import.meta.url).href;
const root = mkdtempSync(join(SCRATCH, "claviger-audit-faults-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Started extends AsyncDisposable {
  readonly folder: string;
  readonly client: ClavigerClient;
  readonly address: string;
  /** Makes the disk of the audit log do this until it is mended. */
  break(how: "stall" | "full" | "read-only"): void;
  mend(): void;
  signal(name: "SIGSTOP" | "SIGCONT"): void;
  said(): string;
}

let folders = 0;

async function start(folder = join(root, `data-${(folders += 1)}`)): Promise<Started> {
  const fault = `${folder}.fault`;
  const child = spawn(
    process.execPath,
    ["--import", `${BROKEN_DISK}?${encodeURIComponent(fault)}`, "--disable-sigusr1", CLAVIGERD, "serve"],
    {
      env: {
        ...process.env,
        CLAVIGER_DATA: folder,
        CLAVIGER_LISTEN: "127.0.0.1:0",
        CLAVIGER_LOG_LEVEL: "error",
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  let printed = "";
  const ended = once(child, "close");
  const address = await new Promise<string>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      const found = /serves on (\S+)/.exec((printed += chunk.toString()))?.[1];
      if (found !== undefined) resolve(found);
    });
    ended.then(
      () => reject(new Error(`the daemon does not start: ${said}`)),
      () => undefined,
    );
  });
  const token = readFileSync(join(folder, "admin.token"), "utf8").trim();
  const client = new ClavigerClient({ address, token, retries: 0 });
  return {
    folder,
    client,
    address,
    break: (how) => writeFileSync(fault, how),
    mend: () => rmSync(fault, { force: true }),
    signal: (name) => void child.kill(name),
    said: () => said,
    [Symbol.asyncDispose]: async () => {
      rmSync(fault, { force: true });
      client.close();
      child.kill("SIGTERM");
      await ended;
    },
  };
}

const KEY = { project: "shop", key: "orders" };
const plaintext = new TextEncoder().encode("hello");

async function prepared(): Promise<Started> {
  const daemon = await start();
  await daemon.client.projects.create({ name: KEY.project });
  await daemon.client.keys.create({ project: KEY.project, name: KEY.key });
  return daemon;
}

/** The code of the refusal, or "served". */
async function codeOf(request: Promise<unknown>): Promise<string> {
  try {
    await request;
    return "served";
  } catch (error) {
    if (!(error instanceof ClavigerError)) throw error;
    if (error.code === "audit-unavailable") expect(error.status).toBe(503);
    return error.code;
  }
}

const encrypt = ({ client }: Started): Promise<string> => codeOf(client.keys.encrypt({ ...KEY, plaintext }));

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(50);
}

async function readiness({ address }: Started): Promise<{ ready: boolean; reasons: readonly string[] }> {
  return (await (await fetch(`${address}/readyz`)).json()) as { ready: boolean; reasons: readonly string[] };
}

async function records({ client }: Started, operation: string): Promise<AuditRecordView[]> {
  return await Array.fromAsync(client.audit.all({ operation }));
}

/** How long a disk may take to come back, as the service is promised to live through. */
const STALL_MS = 30_000;

/**
 * Has a request refused within a second, beyond what anything takes on this machine just now: the process answers
 * that it lives all that time.
 */
async function refusedInTime(daemon: Started, request: Promise<string>): Promise<void> {
  const beganMs = performance.now();
  const waiting = request.then((came) => ({ came, tookMs: performance.now() - beganMs }));
  let slowestMs = 0;
  for (let over = false; !over;) {
    const askedMs = performance.now();
    expect((await fetch(`${daemon.address}/livez`)).status).toBe(200);
    slowestMs = Math.max(slowestMs, performance.now() - askedMs);
    over = await Promise.race([waiting.then(() => true), sleep(25, false)]);
  }
  const { came, tookMs } = await waiting;
  expect(came).toBe("audit-unavailable");
  expect(tookMs - slowestMs).toBeLessThan(1_000);
}

test.concurrent(
  "a disk that does not answer for 30 s: every request is refused within a second, the process lives, and goes on by itself",
  async () => {
    await using daemon = await prepared();
    daemon.break("stall");
    const beganMs = performance.now();
    let asked = 0;
    while (performance.now() - beganMs < STALL_MS) {
      await refusedInTime(daemon, encrypt(daemon));
      await refusedInTime(daemon, codeOf(daemon.client.projects.create({ name: "refused" })));
      asked += 2;
      expect((await readiness(daemon)).ready).toBe(false);
      await sleep(200);
    }
    expect(asked).toBeGreaterThan(2);
    daemon.mend();
    await until(async () => (await encrypt(daemon)) === "served");
    expect((await readiness(daemon)).ready).toBe(true);
    const found = await daemon.client.audit.verify();
    expect(found).toMatchObject({ verified: true, faults: [] });
    expect(found.chains).toHaveLength(1);
    // The one that waited when the disk went away has its record; those after it were refused before they were done.
    const withheld = await records(daemon, "reply.withheld");
    expect(withheld).toHaveLength(1);
    expect(await records(daemon, "encrypt")).toHaveLength(withheld.length + 1);
    expect(await codeOf(daemon.client.projects.create({ name: "refused" }))).toBe("served");
  },
);

test.concurrent(
  "a process that does not run for seconds is not taken for a disk that does not answer: what waited is served",
  async () => {
    await using daemon = await prepared();
    daemon.break("stall");
    const waiting = encrypt(daemon);
    await sleep(200);
    daemon.signal("SIGSTOP");
    await sleep(2_000);
    daemon.mend();
    daemon.signal("SIGCONT");
    expect(await waiting).toBe("served");
    expect(await records(daemon, "reply.withheld")).toEqual([]);
    expect(daemon.said()).not.toContain('"alarm":"audit-log"');
  },
);

test.concurrent(
  "a disk that does not answer: refused, and ready no more; when it answers, what was withheld is said",
  async () => {
    await using daemon = await prepared();
    daemon.break("stall");
    expect(await encrypt(daemon)).toBe("audit-unavailable");
    expect(await encrypt(daemon)).toBe("audit-unavailable");
    expect((await daemon.client.status()).reasons).toEqual([expect.stringContaining("does not answer")]);
    expect(await codeOf(daemon.client.projects.create({ name: "refused" }))).toBe("audit-unavailable");
    expect(await readiness(daemon)).toMatchObject({
      ready: false,
      reasons: [expect.stringContaining("the disk does not answer")],
    });
    daemon.mend();
    await until(async () => (await encrypt(daemon)) === "served");
    expect((await readiness(daemon)).ready).toBe(true);
    const [withheld] = await records(daemon, "reply.withheld");
    const encrypted = await records(daemon, "encrypt");
    expect(encrypted.map(({ request }) => request)).toContain(withheld?.request);
    expect(await records(daemon, "audit.refused")).not.toEqual([]);
    // What was refused was not done, and is free to be done now.
    expect(await codeOf(daemon.client.projects.create({ name: "refused" }))).toBe("served");
    expect(await daemon.client.audit.verify()).toMatchObject({ verified: true });
  },
);

describe.concurrent.each(["read-only", "full"] as const)("a disk that is %s", (how) => {
  test("is refused while it lasts, and written again by itself afterwards, in the same chain", async () => {
    await using daemon = await prepared();
    daemon.break(how);
    await refusedInTime(daemon, encrypt(daemon));
    await until(async () => !(await readiness(daemon)).ready);
    await refusedInTime(daemon, encrypt(daemon));
    daemon.mend();
    await until(async () => (await encrypt(daemon)) === "served");
    const found = await daemon.client.audit.verify();
    expect(found).toMatchObject({ verified: true });
    expect(found.chains).toHaveLength(1);
    expect(await records(daemon, "audit.resumed")).not.toEqual([]);
    expect(daemon.said()).toContain('"alarm":"audit-log"');
  });
});

test.concurrent(
  "a mutation that was done when the log fails is answered, and recorded once when the log is back",
  async () => {
    await using daemon = await prepared();
    daemon.break("read-only");
    expect(await codeOf(daemon.client.projects.create({ name: "before-it-is-known" }))).toBe("served");
    expect(await codeOf(daemon.client.projects.create({ name: "after" }))).toBe("audit-unavailable");
    daemon.mend();
    await until(async () => (await encrypt(daemon)) === "served");
    const created = await records(daemon, "createProject");
    expect(created.filter(({ asked }) => asked === "before-it-is-known")).toHaveLength(1);
    expect(created.filter(({ asked }) => asked === "after")).toHaveLength(0);
  },
);

test.concurrent(
  "a new signing key whose record cannot be written yet waits for the log, and signs when it is back",
  async () => {
    await using daemon = await prepared();
    daemon.break("read-only");
    const made = await daemon.client.audit.rotateKey();
    expect(made.signs).toBe(false);
    daemon.mend();
    await until(async () => (await encrypt(daemon)) === "served");
    const signs = async () => (await daemon.client.audit.keys()).find((key) => key.signs)?.fingerprint;
    await until(async () => (await signs()) === made.fingerprint);
    const lines = (await Array.fromAsync(daemon.client.audit.export())).join("");
    const [first] = await daemon.client.audit.keys();
    const found = await verifyExport(Readable.from([Buffer.from(lines)]), {
      trusted: [auditKey(first?.pem ?? "")],
    });
    expect(found.faults).toEqual([]);
    expect(found.signedBy).toEqual([first?.fingerprint, made.fingerprint]);
  },
);

describe.concurrent("the file of the log taken away", () => {
  const files = ["audit.db", "audit.db-wal", "audit.db-shm"];

  test("while it is written: a new chain names the head that is lost, with an alarm, and verification says so", async () => {
    await using daemon = await prepared();
    const [before] = (await daemon.client.audit.verify()).chains;
    for (const name of files) renameSync(join(daemon.folder, "audit", name), `${daemon.folder}-${name}`);
    await until(async () => (await encrypt(daemon)) === "served" && (await readiness(daemon)).ready);
    expect(daemon.said()).toContain("a new chain begins");
    const found = await daemon.client.audit.verify();
    expect(found.verified).toBe(false);
    expect(found.faults).toMatchObject([
      { what: "chain-missing", detail: expect.stringContaining(before?.chain ?? "no chain") },
      { what: "known-head-missing", detail: expect.stringContaining("Crypto unit 01.0001 has anchored it") },
    ]);
    const begin = (await records(daemon, "audit.begin")).at(0);
    expect(begin?.seq).toBe(1);
    expect(before?.seq).toBeGreaterThan(1);
  });

  test("while the service is stopped: the next start says that there was a log", async () => {
    const daemon = await prepared();
    await daemon[Symbol.asyncDispose]();
    for (const name of files) rmSync(join(daemon.folder, "audit", name), { force: true });
    await using again = await start(daemon.folder);
    expect(await encrypt(again)).toBe("served");
    expect(again.said()).toContain("there was no audit log at this start");
    expect(await records(again, "audit.missing")).toHaveLength(1);
  });

  test("or damaged while it is stopped: the start is refused, and the file left as it is", async () => {
    const daemon = await prepared();
    await daemon[Symbol.asyncDispose]();
    const path = join(daemon.folder, "audit", "audit.db");
    writeFileSync(path, "this is no database\n".repeat(500));
    await expect(start(daemon.folder)).rejects.toThrow("audit-damaged");
    expect(readFileSync(path, "utf8")).toContain("this is no database");
  });
});
