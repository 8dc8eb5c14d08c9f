import type { ChildProcessByStdio } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { ClavigerClient, isVerified } from "@claviger/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PostgresServer } from "../postgres/server.ts";
import { startPostgres } from "../postgres/server.ts";
import { isWithout } from "../set-up/without.ts";

const CLAVIGERD = fileURLToPath(new URL("../../packages/server/bin/clavigerd.js", import.meta.url));
let server: PostgresServer;
let parent: string;

/** The daemon's own process, as `npm start` starts it. */
interface DaemonProcess {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** Everything it has printed: what it says to people, and why it did not start. */
  readonly said: () => string;
}

function start(folder: string, database: string): DaemonProcess {
  const env = {
    PATH: process.env["PATH"],
    CLAVIGER_DATA: folder,
    CLAVIGER_LISTEN: "127.0.0.1:0",
    CLAVIGER_LOG_LEVEL: "error",
    CLAVIGER_STORE: `postgres://postgres@/${database}?host=${encodeURIComponent(server.socket)}`,
  };
  const child = spawn(process.execPath, ["--disable-sigusr1", CLAVIGERD, "serve"], {
    env,
    cwd: parent,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  return { child, said: () => said };
}

/** Resolves with the address when it serves. */
async function serving({ child, said }: DaemonProcess): Promise<string> {
  for (;;) {
    const address = /serves on (http:\S+)/.exec(said())?.[1];
    if (address !== undefined) return address;
    if (child.exitCode !== null) throw new Error(`the daemon ended: ${said()}`);
    await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
  }
}

async function ended({ child }: DaemonProcess): Promise<number | null> {
  if (child.exitCode === null) await once(child, "exit");
  return child.exitCode;
}

async function stop(daemon: DaemonProcess): Promise<void> {
  daemon.child.kill("SIGTERM");
  expect(await ended(daemon), daemon.said()).toBe(0);
}

const clientOf = (folder: string, address: string): ClavigerClient =>
  new ClavigerClient({ address, token: readFileSync(join(folder, "admin.token"), "utf8").trim() });

describe.skipIf(isWithout("postgresql"))("a daemon on PostgreSQL", () => {
  beforeAll(async () => {
    server = await startPostgres();
    parent = mkdtempSync(join(tmpdir(), "claviger-pg-e2e-"));
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(parent, { recursive: true });
  });

  test("does a whole master-key change, stops, starts, and decrypts what was encrypted before", async () => {
    const [folder, database] = [join(parent, "whole"), await server.newDatabase()];
    const first = start(folder, database);
    const sdk = clientOf(folder, await serving(first));
    expect(first.said()).toContain(`database        postgres:///${database}?host=${server.socket}`);
    expect(readdirSync(join(folder, "store")), "no SQLite file").toEqual([]);
    await Promise.all(Array.from({ length: 60 }, (_, i) => sdk.projects.create({ name: `p${i}` })));
    await sdk.keys.create({ project: "p7", name: "k" });
    const place = { project: "p7", key: "k" };
    const { ciphertext } = await sdk.keys.encrypt({ ...place, plaintext: Buffer.from("kept") });
    await sdk.units.add();

    const { id } = await sdk.changes.create();
    const [filled] = await sdk.masterKeys.generate();
    await sdk.masterKeys.copy();
    const vp = filled?.registers.NEW.vp ?? "";
    await sdk.masterKeys.commit({ vp });
    await sdk.changes.reencipher(id);
    await Promise.all(Array.from({ length: 20 }, (_, i) => sdk.projects.create({ name: `during${i}` })));
    await sdk.waitForChange(id, "READY", { pollMs: 50 });
    await sdk.changes.activate(id, { vp });
    await sdk.waitForChange(id, isVerified, { pollMs: 50 });
    await sdk.changes.finalize(id);
    const done = await sdk.waitForChange(id, "DONE", { pollMs: 50 });
    expect(done.progress).toMatchObject({ keks: 81, lacking: 0, failed: 0 });
    const before = await sdk.census();
    expect(before.patterns.filter(({ current }) => current > 0)).toMatchObject([
      { vp: done.to, current: 81 },
    ]);
    sdk.close();
    await stop(first);

    const second = start(folder, database);
    using again = clientOf(folder, await serving(second));
    expect(second.said()).not.toContain("Created");
    expect(await again.census()).toEqual(before);
    const { plaintext } = await again.keys.decrypt({ project: "p7", ciphertext });
    expect(Buffer.from(plaintext).toString()).toBe("kept");
    await stop(second);
  });

  test("killed, it starts again at once on what it had", async () => {
    const [folder, database] = [join(parent, "killed"), await server.newDatabase()];
    const first = start(folder, database);
    const sdk = clientOf(folder, await serving(first));
    await sdk.projects.create({ name: "shop" });
    sdk.close();
    first.child.kill("SIGKILL");
    await ended(first);
    const second = start(folder, database);
    using again = clientOf(folder, await serving(second));
    expect((await again.projects.list({ limit: 10 })).items.map(({ name }) => name)).toContain("shop");
    await stop(second);
  });

  test("on an older copy of its database it is read-only, until somebody has accepted that", async () => {
    const [folder, database] = [join(parent, "older"), await server.newDatabase()];
    const first = start(folder, database);
    const sdk = clientOf(folder, await serving(first));
    await sdk.projects.create({ name: "one" });
    await stop(first);
    const earlier = `${database}_earlier`;
    await server.query("postgres", `CREATE DATABASE ${earlier} TEMPLATE ${database}`);
    const second = start(folder, database);
    using later = clientOf(folder, await serving(second));
    await later.projects.create({ name: "two" });
    await stop(second);

    const restored = start(folder, earlier);
    using again = clientOf(folder, await serving(restored));
    expect(restored.said()).toMatch(
      /"alarm":"anchor-missing".*found older than crypto unit 01.0001 has seen it/,
    );
    expect((await again.audit.verify()).faults.map(({ what }) => what)).toEqual(["store-older"]);
    await expect(again.projects.create({ name: "three" })).rejects.toMatchObject({
      code: "store-rolled-back",
    });
    expect(await again.backups.acceptRollback()).toHaveLength(1);
    await again.projects.create({ name: "three" });
    await stop(restored);

    const quiet = start(folder, earlier);
    using last = clientOf(folder, await serving(quiet));
    await last.projects.create({ name: "four" });
    expect((await last.audit.verify()).faults).toEqual([]);
    expect(quiet.said()).not.toMatch(/anchor|rollback/);
    await stop(quiet);
    sdk.close();
  });

  test("a second one with a data folder of its own is refused, and makes no key", async () => {
    const database = await server.newDatabase();
    const first = start(join(parent, "one"), database);
    await serving(first);
    const other = start(join(parent, "other"), database);
    expect(await ended(other)).toBe(4);
    expect(other.said()).toContain("clavigerd: store-in-use: Another daemon uses the database");
    expect(readdirSync(join(parent, "other", "units"))).toEqual([]);
    expect(existsSync(join(parent, "other", "first-start"))).toBe(false);
    await stop(first);

    const late = start(join(parent, "other"), database);
    expect(await ended(late), "the database belongs to the units of another folder").toBe(3);
    expect(late.said()).toContain("clavigerd: unit-missing:");
    expect(readdirSync(join(parent, "other", "units"))).toEqual([]);
  });

  test("units without their database are refused, and no new one takes its place", async () => {
    const [folder, empty] = [join(parent, "moved"), await server.newDatabase()];
    const first = start(folder, await server.newDatabase());
    await serving(first);
    await stop(first);
    const moved = start(folder, empty);
    expect(await ended(moved)).toBe(3);
    expect(moved.said()).toContain(
      `store-missing: there are crypto units but no database at postgres:///${empty}`,
    );
    expect(
      await server.query(empty, "SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace"),
    ).toEqual([]);
  });

  test("a server that is not there is said with its address and the user, not with a stack", async () => {
    const daemon = start(join(parent, "nowhere"), "not_there");
    expect(await ended(daemon)).toBe(6);
    expect(daemon.said()).toMatch(
      /^clavigerd: store-refused: The database not_there at .*, as user postgres: .*does not exist\n {2}→ /m,
    );
  });
});
