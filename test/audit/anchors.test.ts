import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { headText } from "@claviger/audit";
import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { copyFolder, databasePath, openUnit, unitPath } from "../crash/data-folder.ts";
import type { TestDaemon } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";
import { SCRATCH } from "../model/scratch.ts";

/*
 * The service is stopped, something older or shorter is put in the place of what is there, and it is started again. It
 * names what is older, writes nothing, and goes on when an administrator has accepted that. Where nothing is older it says
 * nothing.
 */
const root = mkdtempSync(join(SCRATCH, "claviger-anchors-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folder: string;
let earlier: string;
let folders = 0;
let alarms: string[] = [];

const inside = (...path: string[]): string => join(folder, ...path);
const clientOf = (daemon: TestDaemon): ClavigerClient => new ClavigerClient({ ...daemon, retries: 0 });

function start(): Promise<TestDaemon> {
  alarms = [];
  return startTestDaemon({
    folder,
    log: (line) => {
      const { alarm, detail, msg } = JSON.parse(line) as Record<string, string | undefined>;
      if (alarm !== undefined) alarms.push(`${alarm}: ${detail ?? msg}`);
    },
  });
}

/** Lets a daemon do `work`, and stops it. */
async function run<Result>(
  work: (client: ClavigerClient, daemon: TestDaemon) => Promise<Result>,
): Promise<Result> {
  await using daemon = await start();
  using client = clientOf(daemon);
  return await work(client, daemon);
}

const work = (name: string) => async (client: ClavigerClient) => {
  await client.projects.create({ name });
  await client.keys.create({ project: name, name: "k" });
  await client.keys.encrypt({ project: name, key: "k", plaintext: new Uint8Array(8) });
};

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return "done";
  } catch (error) {
    if (error instanceof ClavigerError) return error.code;
    throw error;
  }
}

interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

async function readyz({ address }: TestDaemon): Promise<Readiness> {
  return (await (await fetch(new URL("/readyz", address))).json()) as Readiness;
}

/** What the service says of itself while what it has is older: it reads, and writes nothing. */
async function findsRollback(): Promise<{ reasons: readonly string[]; faults: readonly string[] }> {
  return await run(async (client, daemon) => {
    const { ready, reasons } = await readyz(daemon);
    expect(ready).toBe(false);
    expect(reasons.join()).toContain("claviger store accept-rollback");
    expect(await codeOf(client.projects.create({ name: "refused" }))).toBe("store-rolled-back");
    const { ciphertext } = await client.keys.encrypt({
      project: "one",
      key: "k",
      plaintext: new Uint8Array(8),
    });
    expect((await client.keys.decrypt({ project: "one", ciphertext })).plaintext).toEqual(new Uint8Array(8));
    const { faults } = await client.audit.verify();
    return { reasons, faults: faults.map(({ what, detail }) => `${what}: ${detail}`) };
  });
}

async function accept(): Promise<readonly string[]> {
  return await run(async (client) => {
    const accepted = await client.backups.acceptRollback();
    await work(`after-${(folders += 1)}`)(client);
    expect(await codeOf(client.backups.acceptRollback())).toBe("rollback-not-found");
    return accepted.map(({ reason }) => reason);
  });
}

/** What a start complains of, at the start and after some work; of a log that has lost something for ever only the rest. */
async function complaints(log: "log lost" | "whole" = "whole"): Promise<readonly string[]> {
  return await run(async (client, daemon) => {
    const told = [...(await readyz(daemon)).reasons, ...alarms].filter((text) =>
      /anchor|rollback/.test(text),
    );
    await work(`quiet-${(folders += 1)}`)(client);
    const { faults } = await client.audit.verify();
    const counted = ({ what }: { what: string }) =>
      log === "whole" || what === "known-head-missing" || what === "store-older";
    return [...told, ...faults.filter(counted).map(({ what }) => what)];
  });
}

function putBack(...path: string[]): void {
  const [from, to] = [join(earlier, ...path), inside(...path)];
  for (const suffix of ["", "-wal", "-shm"]) {
    rmSync(to + suffix, { force: true });
    if (existsSync(from + suffix)) copyFileSync(from + suffix, to + suffix);
  }
}

beforeEach(async () => {
  folder = join(root, `data-${(folders += 1)}`);
  await run(async (client) => {
    await work("one")(client);
    await client.units.add({ address: "01.0002" });
  });
  earlier = `${folder}.earlier`;
  copyFolder(folder, earlier);
  await run(work("two"));
});
afterEach(() => {
  for (const path of [folder, earlier]) rmSync(path, { recursive: true, force: true });
});

describe("an older file is found by the anchors of the crypto units", () => {
  test("the database: it says how many changes it has, and how many it had", async () => {
    putBack("store", "claviger.db");
    const { reasons, faults } = await findsRollback();
    expect(reasons[0]).toMatch(
      /found older than crypto unit 01.0001, 01.0002 has seen it: it has \d+ of \d+ recorded/,
    );
    expect(alarms.filter((alarm) => alarm.startsWith("anchor-missing"))).toHaveLength(1);
    expect(faults).toEqual([expect.stringMatching(/^store-older: The database is older than crypto unit/)]);
    await findsRollback();
    expect(await accept()).toEqual([expect.stringContaining("found older than crypto unit")]);
    expect(await complaints()).toEqual([]);
    expect(await complaints()).toEqual([]);
  });

  test("the audit log: it names the record that is not there", async () => {
    putBack("audit", "audit.db");
    const { reasons, faults } = await findsRollback();
    const missing =
      /with an older or cut audit log: audit.db has not record (\d+) of chain (\S+), which crypto unit 01.0001/;
    const [, seq, chain] = missing.exec(reasons[0] ?? "") ?? [];
    expect(Number(seq)).toBeGreaterThan(1);
    expect(faults).toContainEqual(
      `known-head-missing: Record ${seq} of chain ${chain} was seen before, and is not there. Crypto unit 01.0001 has anchored it.`,
    );
    expect(await accept()).toEqual([expect.stringMatching(missing)]);
    expect(await complaints()).toEqual([]);
  });

  test("both, each by its name", async () => {
    putBack("store", "claviger.db");
    putBack("audit", "audit.db");
    const { faults } = await findsRollback();
    expect(faults.map((fault) => fault.replace(/:.*/, ""))).toEqual(["store-older", "known-head-missing"]);
    expect(await accept()).toEqual([
      expect.stringContaining("found older than crypto unit"),
      expect.stringContaining("older or cut audit log"),
    ]);
    expect(await complaints()).toEqual([]);
  });

  test("the audit log without its last records, though every hash fits", async () => {
    const db = new DatabaseSync(inside("audit", "audit.db"));
    const { last } = db.prepare("SELECT max(n) AS last FROM records").get() as { last: number };
    db.prepare("DELETE FROM records WHERE n = ?").run(last);
    const cut = db.prepare("SELECT chain_id, seq FROM records ORDER BY n DESC LIMIT 1").get() as Record<
      string,
      number
    >;
    db.prepare("DELETE FROM heads WHERE chain_id = ? AND seq > ?").run(cut["chain_id"] ?? 0, cut["seq"] ?? 0);
    db.close();
    const { reasons } = await findsRollback();
    expect(reasons[0]).toContain(`has not record ${(cut["seq"] ?? 0) + 1} of chain`);
    await accept();
    expect(await complaints()).toEqual([]);
  });

  test("no audit log at all", async () => {
    for (const name of readdirSync(inside("audit"))) rmSync(inside("audit", name), { recursive: true });
    const { reasons } = await findsRollback();
    expect(reasons[0]).toContain("older or cut audit log");
    await accept();
    expect(await complaints("log lost")).toEqual([]);
  });

  test("a beginning that somebody has moved behind what was cut is no archive", async () => {
    const [key] = await run((client) => client.audit.keys());
    const db = new DatabaseSync(inside("audit", "audit.db"));
    db.exec("DELETE FROM records; DELETE FROM heads;");
    db.exec("UPDATE chains SET base_seq = 100000, base_hash = zeroblob(32)");
    const chains = db.prepare("SELECT id, chain FROM chains").all() as { id: number; chain: string }[];
    for (const { id, chain } of chains) {
      const at = "2026-01-01T00:00:00.000Z";
      const text = headText({
        chain,
        seq: 100_000,
        hash: "00".repeat(32),
        at,
        key: key?.fingerprint ?? "",
        outbox: 0,
      });
      const forged = db.prepare(
        "INSERT INTO heads (chain_id, seq, text, signature) VALUES (?, 100000, ?, ?)",
      );
      forged.run(id, text, new Uint8Array(64));
    }
    db.close();
    expect((await findsRollback()).reasons[0]).toContain("older or cut audit log");
  });
});

test("by an older database nothing is done but what it is asked for: a unit that was leaving then is not set aside", async () => {
  const db = new DatabaseSync(join(earlier, "store", "claviger.db"));
  db.exec("UPDATE units SET state = 'leaving' WHERE address = '01.0002'");
  db.close();
  putBack("store", "claviger.db");
  const { reasons } = await findsRollback();
  expect(reasons[0]).toContain("found older than crypto unit 01.0001 has seen it");
  expect(existsSync(unitPath(folder, "01.0002"))).toBe(true);
});

test("a database that goes back while it is served is found at the next signature", async () => {
  await run(async (client, daemon) => {
    const db = new DatabaseSync(databasePath(folder));
    db.exec("UPDATE counters SET value = value - 1 WHERE name = 'mutations'");
    db.close();
    for (let tries = 0; tries < 100 && (await readyz(daemon)).ready; tries += 1) {
      await client.keys.encrypt({ project: "one", key: "k", plaintext: new Uint8Array(8) });
      await sleep(50);
    }
    const reason = "found older than it was served before";
    expect((await readyz(daemon)).reasons.join()).toContain(reason);
    expect(await codeOf(client.projects.create({ name: "refused" }))).toBe("store-rolled-back");
    const [record] = await Array.fromAsync(client.audit.all({ operation: "alarm.anchor-missing" }));
    expect(record?.note).toContain(reason);
    expect(await client.backups.acceptRollback()).toHaveLength(1);
    await work("three")(client);
  });
  expect(await complaints()).toEqual([]);
});

describe("the anchors themselves", () => {
  test("that were taken away from one unit are missed", async () => {
    const anchors = `${unitPath(folder, "01.0002")}.anchors`;
    expect(existsSync(anchors)).toBe(true);
    rmSync(anchors);
    const { reasons, faults } = await findsRollback();
    expect(reasons[0]).toContain("without what crypto unit 01.0002 had seen of it");
    expect(reasons[0]).toContain("are not there");
    expect(faults).toEqual([expect.stringMatching(/^anchors-missing: Crypto unit 01.0002/)]);
    await accept();
    expect(await complaints()).toEqual([]);
  });

  test("that were taken away do not hide that the database is older too", async () => {
    rmSync(`${unitPath(folder, "01.0002")}.anchors`);
    putBack("store", "claviger.db");
    const { faults } = await findsRollback();
    expect(faults.map((fault) => fault.replace(/:.*/, ""))).toEqual(["anchors-missing", "store-older"]);
    expect(await accept()).toEqual([
      expect.stringContaining("without what crypto unit 01.0002 had seen"),
      expect.stringContaining("found older than crypto unit 01.0001"),
    ]);
    expect(await complaints()).toEqual([]);
  });

  test("of an older copy of one unit are behind, which is no fault", async () => {
    putBack("units", "01.0002.unit");
    putBack("units", "01.0002.unit.anchors");
    expect(await complaints()).toEqual([]);
    const unit = await openUnit(folder, "01.0002");
    const other = await openUnit(folder, "01.0001");
    expect(await unit.anchors.read()).toEqual(await other.anchors.read());
    await Promise.all([unit.close(), other.close()]);
  });

  test("of one unit are enough to find an older database", async () => {
    putBack("units", "01.0002.unit.anchors");
    putBack("store", "claviger.db");
    expect((await findsRollback()).reasons[0]).toContain("crypto unit 01.0001 has seen it");
    await accept();
    expect(await complaints()).toEqual([]);
  });

  test("cannot tell when database, log and every unit are put back together", async () => {
    rmSync(folder, { recursive: true });
    copyFolder(earlier, folder);
    expect(await complaints()).toEqual([]);
  });

  test("of a unit that was away when a rollback was accepted claim nothing when it comes back", async () => {
    const away = ["01.0002.unit", "01.0002.unit.anchors"].map(
      (name) => [name, readFileSync(inside("units", name))] as const,
    );
    for (const [name] of away) rmSync(inside("units", name));
    putBack("store", "claviger.db");
    putBack("audit", "audit.db");
    await accept();
    for (const [name, bytes] of away) writeFileSync(inside("units", name), bytes, { mode: 0o600 });
    expect(await complaints()).toEqual([]);
  });

  test("of a unit that comes back while the service runs are looked at before they are written over", async () => {
    const away = ["01.0002.unit", "01.0002.unit.anchors"].map(
      (name) => [name, readFileSync(inside("units", name))] as const,
    );
    for (const [name] of away) putBack("units", name);
    putBack("store", "claviger.db");
    putBack("units", "01.0001.unit.anchors");
    rmSync(inside("units", "01.0002.unit"));
    await run(async (client, daemon) => {
      expect((await readyz(daemon)).reasons.join()).not.toContain("rolled");
      for (const [name, bytes] of away) writeFileSync(inside("units", name), bytes, { mode: 0o600 });
      for (let tries = 0; tries < 100 && (await readyz(daemon)).ready; tries += 1) {
        await client.units.get("01.0002").catch(() => undefined);
        await client.keys.encrypt({ project: "one", key: "k", plaintext: new Uint8Array(8) });
        await sleep(50);
      }
      expect((await readyz(daemon)).reasons.join()).toContain("older than crypto unit 01.0002 has seen it");
    });
  });
});

describe("no false alarm", () => {
  test("after archives of everything that is signed, over several starts", async () => {
    for (const name of ["a", "b"]) {
      await run(async (client) => {
        await client.audit.archive();
        await work(name)(client);
        await client.audit.archive();
      });
      expect(await complaints()).toEqual([]);
    }
  });

  test("when a unit leaves, another comes, and one comes back to its address", async () => {
    await run(async (client) => {
      await client.units.remove("01.0002");
      await client.units.add({ address: "01.0003" });
      await client.units.add({ address: "01.0002" });
    });
    const names = readdirSync(inside("units"));
    expect(names.filter((name) => name.startsWith("01.0002.unit.anchors.removed-"))).toHaveLength(1);
    expect(await complaints()).toEqual([]);
    for (const address of ["01.0002", "01.0003"])
      expect(existsSync(`${unitPath(folder, address)}.anchors`), address).toBe(true);
  });

  test("when a lost unit is rebuilt at its address, where its anchors were left", async () => {
    await run(async (client) => {
      rmSync(unitPath(folder, "01.0002"));
      await client.units.remove("01.0002");
      await client.units.add({ address: "01.0002" });
    });
    expect(await complaints()).toEqual([]);
  });
});

test("a unit that cannot keep anchors is an alarm, a metric and a reason, and no outage", async () => {
  await run(async (client, daemon) => {
    const metric = async () => await (await fetch(new URL("/metrics", daemon.address))).text();
    const until = async (isSo: () => Promise<boolean>) => {
      for (let tries = 0; tries < 200 && !(await isSo()); tries += 1) {
        await client.keys.encrypt({ project: "one", key: "k", plaintext: new Uint8Array(8) });
        await sleep(50);
      }
    };
    const anchors = `${unitPath(folder, "01.0002")}.anchors`;
    rmSync(anchors);
    mkdirSync(anchors);
    await until(async () => (await readyz(daemon)).reasons.length > 0);
    expect(await readyz(daemon)).toEqual({
      ready: true,
      reasons: ["crypto unit 01.0002 keeps no anchors"],
    });
    expect(await metric()).toContain('claviger_unit_keeps_anchors{unit="01.0002"} 0');
    expect(await metric()).toContain('claviger_unit_keeps_anchors{unit="01.0001"} 1');
    expect(alarms.filter((alarm) => alarm.startsWith("anchor-not-kept"))).toHaveLength(1);
    await work("meanwhile")(client);
    rmdirSync(anchors);
    await until(async () => (await readyz(daemon)).reasons.length === 0);
    expect(await readyz(daemon)).toEqual({ ready: true, reasons: [] });
  });
  expect(await complaints()).toEqual([]);
});
