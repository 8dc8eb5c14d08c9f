import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClavigerClient, isVerified } from "@claviger/sdk";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { restoreBackupOffline, verifyBackupOffline } from "../../packages/server/src/backup-offline.ts";
import { isFailure } from "../../packages/server/src/core/errors.ts";
import { copyFolder, databasePath, openDatabase } from "../crash/data-folder.ts";
import { startTestDaemon } from "../daemon.ts";
import type { TestDaemon } from "../daemon.ts";
import { configOf } from "../config-of.ts";

/** Which units open a backup, and what is said of those that do not. */
let place: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "claviger-units-"));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

const at = (name: string): string => join(place, name);

function unitsOnly(from: string, name: string): string {
  mkdirSync(at(name), { mode: 0o700 });
  for (const folder of ["units", "pins"]) copyFolder(join(from, folder), join(at(name), folder));
  return at(name);
}

async function backUp(daemon: TestDaemon, name: string): Promise<string> {
  using client = new ClavigerClient(daemon);
  const made = await client.backups.create();
  await client.backups.wait(made.name);
  copyFileSync(join(daemon.folder, "backups", made.name), at(name));
  return at(name);
}

async function wholeChange(daemon: TestDaemon): Promise<string> {
  using client = new ClavigerClient(daemon);
  const { id } = await client.changes.create();
  const [filled] = await client.masterKeys.generate();
  const vp = filled?.registers.NEW.vp ?? "";
  await client.masterKeys.commit({ vp });
  await client.waitForChange(id, "STAGED");
  await client.changes.reencipher(id);
  await client.waitForChange(id, "READY");
  await client.changes.activate(id, { vp });
  await client.waitForChange(id, isVerified);
  await client.changes.finalize(id);
  await client.waitForChange(id, "DONE");
  return id;
}

async function purge(daemon: TestDaemon, id: string): Promise<void> {
  using client = new ClavigerClient(daemon);
  const { token } = await client.principals.create({ name: "second", grants: [{ role: "operator" }] });
  using second = new ClavigerClient({ ...daemon, token });
  await client.changes.purge(id).catch(() => undefined); // asks for the approval
  await second.changes.approve(id);
  await client.waitForChange(id, "PURGED");
}

async function refusal(call: Promise<unknown>): Promise<readonly [code: string, message: string]> {
  try {
    await call;
    return ["done", ""];
  } catch (error) {
    if (isFailure(error)) return [error.code, error.message];
    throw error;
  }
}

const input = (file: string) => ({ file, all: true, onProgress: () => undefined });
const storeFiles = (folder: string): string[] => readdirSync(join(folder, "store"));

describe("a backup", () => {
  it("is refused to the units of another installation, naming what is needed and what they hold", async () => {
    await using daemon = await startTestDaemon({ folder: at("data") });
    const file = await backUp(daemon, "one");
    const needed = (await new ClavigerClient(daemon).status()).groups[0]?.current ?? "";
    await using foreign = await startTestDaemon({ folder: at("foreign") });
    const held = (await new ClavigerClient(foreign).status()).groups[0]?.current ?? "";
    await foreign.daemon.stop();
    const other = unitsOnly(at("foreign"), "other");
    for (const verb of [restoreBackupOffline, verifyBackupOffline]) {
      const [code, message] = await refusal(verb(configOf(other), input(file)));
      expect(code).toBe("backup-needs-unit");
      expect(message).toContain(`needs ${needed.slice(0, 32)} of group default`);
      expect(message).toContain(`CURRENT of unit 01.0001 holds ${held.slice(0, 32)}`);
      expect(message).toContain("another installation");
    }
    expect(storeFiles(other)).toEqual([]);
  });

  it("is refused to units from before a change, though keys keep forms from before, and names the change", async () => {
    await using daemon = await startTestDaemon({ folder: at("data") });
    const old = unitsOnly(daemon.folder, "old");
    const id = await wholeChange(daemon);
    const file = await backUp(daemon, "one");
    const [code, message] = await refusal(restoreBackupOffline(configOf(old), input(file)));
    expect(code).toBe("backup-needs-unit");
    expect(message).toMatch(new RegExp(`the units are older than the backup: change ${id}`));
    expect(storeFiles(old)).toEqual([]);
  });

  it("from before a change opens while OLD is kept; after the purge the change is named, and units of the time open it", async () => {
    const daemon = await startTestDaemon({ folder: at("data") });
    const file = await backUp(daemon, "one");
    const old = unitsOnly(daemon.folder, "old");
    const id = await wholeChange(daemon);
    const kept = unitsOnly(daemon.folder, "kept");
    expect((await verifyBackupOffline(configOf(kept), input(file))).findings.problems).toEqual([]);
    await purge(daemon, id);
    await daemon.daemon.stop();
    const [code, message] = await refusal(verifyBackupOffline(configOf(daemon.folder), input(file)));
    expect(code).toBe("backup-needs-unit");
    expect(message).toContain(`the backup is older than the units: change ${id}, opened`);
    const alone = unitsOnly(daemon.folder, "alone");
    expect(await refusal(verifyBackupOffline(configOf(alone), input(file)))).toEqual([
      "backup-needs-unit",
      expect.stringContaining("another installation, as far as any history tells"),
    ]);
    expect((await verifyBackupOffline(configOf(old), input(file))).findings.problems).toEqual([]);
  });

  it("is not restored beside a daemon, without units, into a used folder, or from what is no backup", async () => {
    await using daemon = await startTestDaemon({ folder: at("data") });
    const file = await backUp(daemon, "one");
    const code = async (folder: string, from = file) =>
      (await refusal(restoreBackupOffline(configOf(folder), input(from))))[0];
    expect(await code(daemon.folder)).toBe("data-folder-in-use");
    await daemon.daemon.stop();
    expect(await code(daemon.folder)).toBe("store-not-empty");
    expect(await code(at("nothing"))).toBe("backup-needs-unit");
    const fresh = unitsOnly(daemon.folder, "fresh");
    expect(await code(fresh, at("missing"))).toBe("backup-not-found");
    expect(await code(fresh, place)).toBe("backup-unreadable");
    writeFileSync(at("text"), "no backup at all, but longer than its magic would be");
    expect(await code(fresh, at("text"))).toBe("backup-damaged");
    expect(storeFiles(fresh)).toEqual([]);
    expect(await code(fresh)).toBe("done");
    expect(await code(fresh)).toBe("store-not-empty");
  });
});

describe("verify", () => {
  it("finds rows whose MAC does not fit and KEKs that do not open, all or by sample, and leaves the database alone", async () => {
    const daemon = await startTestDaemon({ folder: at("data") });
    using client = new ClavigerClient(daemon);
    for (const project of ["shop", "yard"]) {
      await client.projects.create({ name: project });
      await client.keys.create({ project, name: "k" });
    }
    const db = openDatabase(daemon.folder, { readOnly: false });
    db.exec(
      "UPDATE keys SET state = 'disabled' WHERE project_id = (SELECT id FROM projects WHERE name = 'shop')",
    );
    db.exec('UPDATE principals SET grants = \'[{"role":"auditor"}]\'');
    db.exec(
      "UPDATE keks SET kcv = zeroblob(16) WHERE project_id = (SELECT id FROM projects WHERE name = 'yard')",
    );
    db.close();
    const file = await backUp(daemon, "one");
    await daemon.daemon.stop();
    const database = readFileSync(databasePath(daemon.folder));
    for (const all of [true, false]) {
      const { findings } = await verifyBackupOffline(configOf(daemon.folder), { ...input(file), all });
      expect(findings).toMatchObject({ keks: 3, keksOpened: 2 });
      expect(findings.problems).toEqual([
        expect.stringMatching(/^key [0-9a-f-]{36} is not vouched for/),
        expect.stringMatching(/^principal [0-9a-f-]{36} is not vouched for/),
        expect.stringMatching(/^KEK [0-9a-f-]{36} does not open under [0-9a-f]{32}: mac-mismatch$/),
      ]);
    }
    expect(readFileSync(databasePath(daemon.folder)).equals(database)).toBe(true);
    expect(readdirSync(daemon.folder).filter((name) => name.startsWith("verify-"))).toEqual([]);
  });
});
