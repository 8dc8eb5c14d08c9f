import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { ClavigerClient } from "@claviger/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isFailure } from "../../packages/server/src/core/errors.ts";
import { startTestDaemon } from "../daemon.ts";
import { SCRATCH } from "../model/scratch.ts";
import { checkLedger, copyOf, createProject, emptyLedger } from "./client-load.ts";
import { copyFolder, databasePath, openDatabase } from "./data-folder.ts";

/** A restore that gets SIGKILL at each of its calls: nothing serves from what it left, and repeating it completes it. */
const CHILD = fileURLToPath(new URL("restore-child.ts", import.meta.url));
const DAEMON = fileURLToPath(new URL("crash-daemon.ts", import.meta.url));
const ROWS = 1_100;
const ledger = emptyLedger();
let place: string;
let file: string;
let folders = 0;

beforeAll(async () => {
  place = mkdtempSync(join(SCRATCH, "claviger-restore-"));
  const folder = join(place, "first");
  await using daemon = await startTestDaemon({ folder });
  using client = new ClavigerClient(daemon);
  for (let i = 0; i < 3; i += 1) await createProject(client, ledger, `p${i}`);
  const db = openDatabase(folder, { readOnly: false });
  const insert = db.prepare(
    "INSERT INTO change_history VALUES (NULL, 'none', ?, 'DONE', 'nobody', 'to have rows')",
  );
  for (let i = 0; i < ROWS; i += 1) insert.run(i);
  db.close();
  const { name } = await client.backups.create();
  await client.backups.wait(name);
  file = join(folder, "backups", name);
});
afterAll(() => rmSync(place, { recursive: true }));

function newMachine(): string {
  const folder = join(place, `machine ${++folders}`);
  mkdirSync(folder, { mode: 0o700 });
  for (const name of ["units", "pins"]) copyFolder(join(place, "first", name), join(folder, name));
  copyFileSync(join(place, "first", "admin.token"), join(folder, "admin.token"));
  return folder;
}

async function restore(
  folder: string,
  ...death: readonly string[]
): Promise<{ signal: string | null; said: string }> {
  const child = spawn(process.execPath, [CHILD, folder, file, ...death], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<string | null>((resolve) => child.once("close", (_, signal) => resolve(signal)));
  const said = await text(child.stdout);
  return { signal: await ended, said };
}

/** How a daemon starts on the folder: a code, or "serves". */
async function start(folder: string): Promise<string> {
  try {
    await using daemon = await startTestDaemon({ folder });
    return daemon.address === "" ? "" : "serves";
  } catch (error) {
    if (isFailure(error)) return error.code;
    throw error;
  }
}

test("a restore that was killed at any of its calls serves nothing, and is completed by the same command", async () => {
  const whole = newMachine();
  const calls = Number((await restore(whole)).said);
  expect(calls).toBeGreaterThan(4);
  const dump = (folder: string): unknown => {
    const db = openDatabase(folder);
    try {
      return [
        "keks",
        "keys",
        "key_versions",
        "change_history",
        "principals",
        "projects",
        "units",
        "fences",
      ].map((table) => db.prepare(`SELECT * FROM ${table} ORDER BY 1, 2`).all());
    } finally {
      db.close();
    }
  };
  for (let nth = 1; nth <= calls; nth += 1) {
    for (const moment of ["before", "after"] as const) {
      const folder = newMachine();
      const at = `${moment} call ${nth} of ${calls}`;
      expect((await restore(folder, String(nth), moment)).signal, at).toBe("SIGKILL");
      const begun = nth > 1 || moment === "after";
      const complete = nth === calls && moment === "after";
      expect(existsSync(databasePath(folder)), at).toBe(begun);
      if (begun && !complete) expect(await start(folder), at).toBe("restore-incomplete");
      if (!complete) expect((await restore(folder)).signal, at).toBeNull();
      expect(dump(folder), at).toEqual(dump(whole));
      rmSync(folder, { recursive: true });
    }
  }
  await using daemon = await startTestDaemon({ folder: whole });
  using client = new ClavigerClient(daemon);
  await checkLedger(client, ledger);
  await client.backups.acceptRollback();
  await createProject(client, copyOf(ledger), "after-the-restore");
});

test.each(["before", "after"] as const)(
  "a daemon that is killed right %s a rollback is accepted is read-only, or is not, and never between",
  async (moment) => {
    const folder = newMachine();
    expect((await restore(folder)).signal).toBeNull();
    const args = [DAEMON, folder, "store.acceptRollback", moment, "1"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "close");
    const [address] = (await once(child.stdout, "data")).map((chunk) => String(chunk).trim());
    const token = readFileSync(join(folder, "admin.token"), "utf8").trim();
    using doomed = new ClavigerClient({ address: address ?? "", token, retries: 0 });
    await expect(doomed.backups.acceptRollback()).rejects.toMatchObject({ code: "connection-lost" });
    expect((await ended)[1]).toBe("SIGKILL");

    await using daemon = await startTestDaemon({ folder });
    using client = new ClavigerClient(daemon);
    expect((await client.status()).ready).toBe(moment === "after");
    if (moment === "before") await client.backups.acceptRollback();
    await client.projects.create({ name: "after-the-kill" });
    await checkLedger(client, { ...ledger, projects: new Set() });
  },
);

test("an acceptance whose answer dies with the store thread is answered with what was done", async () => {
  const folder = newMachine();
  expect((await restore(folder)).signal).toBeNull();
  const died = join(folder, "died");
  mkdirSync(died);
  const preload = `${new URL("./die-unanswered.ts", import.meta.url).href}?${died}`;
  const child = spawn(process.execPath, ["--import", preload, DAEMON, folder, "none"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  try {
    const [address] = (await once(child.stdout, "data")).map((chunk) => String(chunk).trim());
    const token = readFileSync(join(folder, "admin.token"), "utf8").trim();
    using client = new ClavigerClient({ address: address ?? "", token, retries: 0 });
    const accepted = await client.backups.acceptRollback();
    // That it was restored, and that the log which the units have seen is not on this machine.
    expect(accepted).toHaveLength(2);
    expect(readdirSync(died)).toEqual(expect.arrayContaining(["markRollback", "acceptRollback"]));
    await client.projects.create({ name: "after-the-death" });
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
});
