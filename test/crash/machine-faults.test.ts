import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import { afterAll, expect, test } from "vitest";
import { EXIT_STATUS, FAILURES } from "../../packages/server/src/core/errors.ts";
import type { FailureCode } from "../../packages/server/src/core/errors.ts";
import { checkLedger, createProject, decrypt, encrypt } from "./client-load.ts";
import { copyFolder, databasePath, pinPath, unitPath } from "./data-folder.ts";
import { checkInvariants } from "./invariants.ts";
import { Operator, drive } from "./operator.ts";
import { administrator } from "./service.ts";
import { SECOND_UNIT, STEPS as S } from "./steps.ts";
import type { Template } from "./templates.ts";
import { Templates } from "./templates.ts";

/*
 * What can be wrong with the machine, met by the daemon as users start it. Each fault has a stable code, leaves nothing
 * half done, and is over when its cause is.
 */

const CLAVIGERD = fileURLToPath(new URL("../../packages/server/bin/clavigerd.js", import.meta.url));
const templates = new Templates(60);
afterAll(() => templates[Symbol.dispose]());

const UNITS = ["01.0001", SECOND_UNIT];

interface Started extends AsyncDisposable {
  readonly url: string;
  readonly folder: string;
  stop(): Promise<void>;
}

/** Starts the daemon; `mounts` are shell commands that run before it in a mount namespace of its own. */
async function start(
  folder: string,
  { listen = "127.0.0.1:0", mounts = [] as readonly string[] } = {},
): Promise<Started | { readonly refused: string; readonly status: number | null; readonly said: string }> {
  const env = {
    ...process.env,
    CLAVIGER_DATA: folder,
    CLAVIGER_LISTEN: listen,
    CLAVIGER_LOG_LEVEL: "fatal",
    NODE_COMPILE_CACHE: await templates.compiled(),
  };
  const daemon = [process.execPath, "--disable-sigusr1", CLAVIGERD, "serve"];
  const [program = "", ...args] =
    mounts.length === 0
      ? daemon
      : ["unshare", "-m", "sh", "-ec", [...mounts, 'exec "$@"'].join("\n"), "sh", ...daemon];
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, "close").then(([status]: unknown[]) => status as number | null);
  let printed = "";
  const url = new Promise<string>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      const found = /serves on (\S+)/.exec((printed += chunk.toString()))?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  const first = await Promise.race([url, ended]);
  if (typeof first !== "string") {
    return { refused: /clavigerd: ([a-z-]+): /.exec(said)?.[1] ?? "no code", status: first, said };
  }
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
  };
  return { url: first, folder, stop, [Symbol.asyncDispose]: stop };
}

async function mustStart(folder: string, options: Parameters<typeof start>[1] = {}): Promise<Started> {
  const started = await start(folder, options);
  if ("refused" in started) throw new Error(`the daemon does not start: ${started.said}`);
  return started;
}

/** The code with which the daemon refuses to start; it says what to do too. */
async function refusal(folder: string, options: Parameters<typeof start>[1] = {}): Promise<string> {
  const started = await start(folder, options);
  if (!("refused" in started)) {
    await started.stop();
    return "none, it starts";
  }
  expect(started.said).toMatch(/\n {2}→ \S/);
  const { category } = FAILURES[started.refused as FailureCode];
  expect(started.status).toBe(EXIT_STATUS[category]);
  return started.refused;
}

async function codeOf(request: Promise<unknown>): Promise<string> {
  try {
    await request;
    return "none";
  } catch (error) {
    if (error instanceof ClavigerError) return error.code;
    throw error;
  }
}

/** What a folder holds, so that a refused start can be seen to have changed nothing that counts. */
function contentOf(folder: string): Readonly<Record<string, string>> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && !entry.name.startsWith("daemon.") && !/-(?:wal|shm)$/.test(entry.name),
  );
  return Object.fromEntries(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path, readFileSync(path).toString("base64")];
    }),
  );
}

async function serves(folder: string, run: Template): Promise<void> {
  await using daemon = await mustStart(folder);
  const client = administrator(daemon, 2);
  await checkLedger(client, run.ledger);
  client.close();
}

test("a second daemon on a data folder is refused, and the first goes on", async () => {
  const run = await templates.copy("base");
  await using first = await mustStart(run.folder);
  expect(await refusal(run.folder)).toBe("data-folder-in-use");
  const client = administrator(first, 0);
  await createProject(client, run.ledger, "after");
  await checkLedger(client, run.ledger);
  client.close();
});

test("a port that is taken is refused by its code, and lets go of the data folder", async () => {
  const run = await templates.copy("base");
  const other = await templates.copy("base");
  await using first = await mustStart(run.folder);
  expect(await refusal(other.folder, { listen: new URL(first.url).host })).toBe("address-in-use");
  await serves(other.folder, other);
});

test("a port that is taken at the first start: the next start finishes what was begun", async () => {
  const run = await templates.copy("base");
  const { folder } = await templates.copy("empty");
  await using first = await mustStart(run.folder);
  expect(await refusal(folder, { listen: new URL(first.url).host })).toBe("address-in-use");
  await using second = await mustStart(folder);
  const client = administrator(second, 0);
  await client.projects.create({ name: "shop" });
  client.close();
});

test("a data folder that others may enter is refused, and nothing in it is touched", async () => {
  const run = await templates.copy("base");
  chmodSync(run.folder, 0o755);
  const before = contentOf(run.folder);
  expect(await refusal(run.folder)).toBe("data-folder-unusable");
  expect(contentOf(run.folder)).toEqual(before);
});

test("a data folder that is a file is refused", async () => {
  const { folder } = await templates.copy("empty");
  writeFileSync(folder, "");
  expect(await refusal(folder)).toBe("data-folder-unusable");
});

test("the sealed file of every unit changed by one byte: refused, and left as it is", async () => {
  const run = await templates.copy("base");
  const sound = new Map(UNITS.map((unit) => [unit, readFileSync(unitPath(run.folder, unit))]));
  for (const [unit, bytes] of sound) {
    const changed = Uint8Array.from(bytes);
    changed[changed.length - 20] = (changed[changed.length - 20] ?? 0) ^ 1;
    writeFileSync(unitPath(run.folder, unit), changed);
  }
  const before = contentOf(run.folder);
  expect(await refusal(run.folder)).toBe("unit-file-tampered");
  expect(contentOf(run.folder)).toEqual(before);
  for (const [unit, bytes] of sound) writeFileSync(unitPath(run.folder, unit), bytes);
  await serves(run.folder, run);
});

test("another PIN for every unit: refused, and right again with the right one", async () => {
  const run = await templates.copy("base");
  const right = new Map(UNITS.map((unit) => [unit, readFileSync(pinPath(run.folder, unit))]));
  for (const unit of UNITS) writeFileSync(pinPath(run.folder, unit), "another PIN\n");
  expect(await refusal(run.folder)).toBe("unit-pin-wrong");
  for (const [unit, pin] of right) writeFileSync(pinPath(run.folder, unit), pin);
  await serves(run.folder, run);
});

test("the PIN file of every unit missing: refused, and no new PIN is made", async () => {
  const run = await templates.copy("base");
  for (const unit of UNITS) renameSync(pinPath(run.folder, unit), `${pinPath(run.folder, unit)}.away`);
  expect(await refusal(run.folder)).toBe("unit-pin-wrong");
  for (const unit of UNITS) {
    expect(existsSync(pinPath(run.folder, unit))).toBe(false);
    renameSync(`${pinPath(run.folder, unit)}.away`, pinPath(run.folder, unit));
  }
  await serves(run.folder, run);
});

test("one unit of two changed: the other serves, and the changed one is named as not reachable until it is right", async () => {
  const run = await templates.copy("base");
  const path = unitPath(run.folder, SECOND_UNIT);
  const sound = readFileSync(path);
  const changed = Uint8Array.from(sound);
  changed[changed.length - 20] = (changed[changed.length - 20] ?? 0) ^ 1;
  writeFileSync(path, changed);
  await using daemon = await mustStart(run.folder);
  const client = administrator(daemon, 2);
  await checkLedger(client, run.ledger);
  expect((await client.units.get(SECOND_UNIT)).reachable).toBe(false);
  writeFileSync(path, sound);
  expect((await client.units.get(SECOND_UNIT)).reachable).toBe(true);
  client.close();
});

test("the unit folder deleted: refused, and no new unit takes its place", async () => {
  const run = await templates.copy("base");
  const units = join(run.folder, "units");
  renameSync(units, `${run.folder}-units`);
  expect(await refusal(run.folder)).toBe("unit-missing");
  expect(existsSync(units) ? readdirSync(units) : []).toEqual([]);
  rmSync(units, { recursive: true, force: true });
  renameSync(`${run.folder}-units`, units);
  await serves(run.folder, run);
});

test("the database deleted: refused, and no new one takes its place", async () => {
  const run = await templates.copy("base");
  const away = `${run.folder}-store`;
  copyFolder(join(run.folder, "store"), away);
  for (const name of readdirSync(join(run.folder, "store"))) rmSync(join(run.folder, "store", name));
  expect(await refusal(run.folder)).toBe("store-missing");
  expect(readdirSync(join(run.folder, "store"))).toEqual([]);
  copyFolder(away, join(run.folder, "store"));
  await serves(run.folder, run);
});

test("a database that is none: refused, and left as it is", async () => {
  const run = await templates.copy("base");
  const sound = readFileSync(databasePath(run.folder));
  writeFileSync(databasePath(run.folder), "this is no database\n".repeat(500));
  const before = contentOf(run.folder);
  expect(await refusal(run.folder)).toBe("store-damaged");
  expect(contentOf(run.folder)).toEqual(before);
  writeFileSync(databasePath(run.folder), sound);
  await serves(run.folder, run);
});

test("an empty file in place of the database: refused as damaged, not taken for a first start", async () => {
  const run = await templates.copy("base");
  const sound = readFileSync(databasePath(run.folder));
  writeFileSync(databasePath(run.folder), "");
  expect(await refusal(run.folder)).toBe("store-damaged");
  writeFileSync(databasePath(run.folder), sound);
  await serves(run.folder, run);
});

test("the sealed file of a unit deleted while it runs: the other unit serves, and it comes back with its file", async () => {
  const run = await templates.copy("base");
  await using daemon = await mustStart(run.folder);
  const client = administrator(daemon, 2);
  renameSync(unitPath(run.folder, SECOND_UNIT), `${run.folder}-unit`);
  expect((await client.units.get(SECOND_UNIT)).reachable).toBe(false);
  await createProject(client, run.ledger, "without-the-second");
  await checkLedger(client, run.ledger);
  const generated = await codeOf(client.masterKeys.generate({ unit: SECOND_UNIT }));
  expect(generated).toBe("unit-unreachable");
  renameSync(`${run.folder}-unit`, unitPath(run.folder, SECOND_UNIT));
  expect((await client.units.get(SECOND_UNIT)).reachable).toBe(true);
  await checkLedger(client, run.ledger);
  client.close();
});

/*
 * Mounts: a read-only file system and a small one. A mount namespace of its own needs root (or a kernel that gives user
 * namespaces to everybody); for root a folder without write permission is none.
 */
const without = (process.env["CLAVIGER_TEST_WITHOUT"] ?? "").split(",").includes("mounts");

test.skipIf(without)("this machine can mount for a test (else CLAVIGER_TEST_WITHOUT=mounts)", async () => {
  const child = spawn("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", templates.root], {
    stdio: "ignore",
  });
  const [status] = (await Promise.race([once(child, "close"), once(child, "error")])) as unknown[];
  expect(
    status,
    "`unshare -m` and `mount` must work: run as root, or name `mounts` in CLAVIGER_TEST_WITHOUT",
  ).toBe(0);
});

test.skipIf(without)("a read-only data folder is refused", async () => {
  const run = await templates.copy("base");
  const mounts = [`mount --bind ${run.folder} ${run.folder}`, `mount -o remount,ro,bind ${run.folder}`];
  expect(await refusal(run.folder, { mounts })).toBe("store-read-only");
  await serves(run.folder, run);
});

test.skipIf(without)("a folder below a read-only one is refused at a first start", async () => {
  const parent = join(templates.root, "read-only");
  mkdirSync(parent, { mode: 0o700 });
  const mounts = [`mount --bind ${parent} ${parent}`, `mount -o remount,ro,bind ${parent}`];
  expect(await refusal(join(parent, "data"), { mounts })).toBe("data-folder-unusable");
  expect(readdirSync(parent)).toEqual([]);
});

/** A daemon whose data folder is on a disk of its own, so small that it is soon full; `reach` is the disk from here. */
async function onSmallDisk(run: Template, freeKib: number): Promise<Started & { readonly reach: string }> {
  const usedKib = Object.keys(contentOf(run.folder)).reduce(
    (sum, path) => sum + Math.ceil(statSync(path).size / 4096) * 4,
    0,
  );
  const disk = `${run.folder}-disk`;
  mkdirSync(disk, { mode: 0o700 });
  const pidFile = `${run.folder}-pid`;
  const mounts = [
    `mount -t tmpfs -o size=${usedKib + freeKib}k,mode=0700 tmpfs ${disk}`,
    `cp -a ${run.folder} ${disk}/data`,
    `echo $$ > ${pidFile}`,
  ];
  const daemon = await mustStart(join(disk, "data"), { mounts });
  const reach = `/proc/${readFileSync(pidFile, "utf8").trim()}/root${disk}`;
  return { ...daemon, folder: join(reach, "data"), reach };
}

/** Takes what room is left on the disk. */
function fill(reach: string): void {
  const ballast = join(reach, "ballast");
  for (const blockBytes of [65_536, 4_096]) {
    try {
      for (;;) writeFileSync(ballast, new Uint8Array(blockBytes), { flag: "a" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }
}

test.skipIf(without)(
  "a full disk while projects are created: store-full; administrators go on by the audit log's reserve, others wait for room",
  async () => {
    const run = await templates.copy("base");
    await using daemon = await onSmallDisk(run, 2048);
    const client = administrator(daemon, 0);
    await createProject(client, run.ledger, "before");
    const { token } = await client.principals.create({ name: "shops", grants: [{ role: "key-user" }] });
    using shops = new ClavigerClient({ address: daemon.url, token, retries: 0 });
    fill(daemon.reach);
    const codes = new Set<string>();
    let created = 0;
    for (let n = 1; n <= 300 && codes.size === 0; n += 1) {
      const code = await codeOf(client.projects.create({ name: `full-${n}` }));
      if (code === "none") created = n;
      else codes.add(code);
    }
    for (let n = 1; n <= created; n += 1) run.ledger.projects.add(`full-${n}`);
    expect([...codes]).toEqual(["store-full"]);
    const refused = `full-${created + 1}`;
    expect(await codeOf(shops.projects.list())).toBe("audit-unavailable");
    const ready = (await (await fetch(`${daemon.url}/readyz`)).json()) as { readonly reasons: string[] };
    expect(ready.reasons).toEqual(["the audit log lives on its reserve: the disk is full"]);
    await encrypt(client, run.ledger, "shop-1");
    await checkLedger(client, run.ledger);
    for await (const { name } of client.projects.all()) expect(name).not.toBe(refused);

    rmSync(join(daemon.reach, "ballast"));
    await createProject(client, run.ledger, refused);
    await checkLedger(client, run.ledger);
    while ((await codeOf(shops.projects.list())) !== "none") await sleep(50);
    expect(await client.audit.verify()).toMatchObject({ verified: true });
    client.close();
    copyFolder(daemon.folder, `${run.folder}-after`);
    await daemon.stop();
  },
);

test.skipIf(without)(
  "a full disk while re-enciphering: the change waits and says so, and goes on by itself when there is room",
  async () => {
    const run = await templates.copy("staged");
    await using daemon = await onSmallDisk(run, 2048);
    using operator = new Operator(daemon, { ...run, retries: 0 });
    const { client } = operator;
    fill(daemon.reach);
    // The log of the database has some room of its own.
    let code = "none";
    for (let n = 1; n <= 300 && code === "none"; n += 1)
      code = await codeOf(client.projects.create({ name: `full-${n}` }));
    expect(code).toBe("store-full");
    const { id, state } = await operator.change();
    expect(state).toBe("STAGED");
    const [sealed] = run.ledger.ciphertexts;
    if (sealed) await decrypt(client, sealed);
    await encrypt(client, run.ledger, "shop-2");
    // What the audit log has given up is taken too: now nothing can be recorded, so nothing is done.
    fill(daemon.reach);
    let refused = "none";
    for (let n = 1; n <= 300 && refused !== "audit-unavailable"; n += 1)
      refused = await codeOf(client.changes.get(id));
    expect(refused).toBe("audit-unavailable");
    expect(await codeOf(client.changes.reencipher(id))).toBe("audit-unavailable");

    rmSync(join(daemon.reach, "ballast"));
    while ((await codeOf(client.changes.get(id))) !== "none") await sleep(50);
    expect((await operator.change()).state).toBe("STAGED");
    await client.changes.reencipher(id);
    fill(daemon.reach);
    await sleep(1_500);
    rmSync(join(daemon.reach, "ballast"));
    while ((await codeOf(client.changes.get(id))) !== "none") await sleep(50);
    await checkLedger(client, run.ledger);
    await drive(operator, [{ ...S.work, until: () => operator.waitFor("READY") }, S.activate, S.finalize]);
    await checkLedger(client, run.ledger);
    const after = `${run.folder}-after`;
    const alive = daemon.folder;
    copyFolder(alive, after);
    const found = await checkInvariants(after);
    expect(found.changes[0]?.state).toBe("DONE");
  },
);
