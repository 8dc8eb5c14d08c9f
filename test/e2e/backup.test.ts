import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { restoreBackupOffline, verifyBackupOffline } from "../../packages/server/src/backup-offline.ts";
import type { ClientLoad } from "../crash/client-load.ts";
import { ClientLoad as Load, checkLedger, copyOf, createProject, emptyLedger } from "../crash/client-load.ts";
import { copyFolder } from "../crash/data-folder.ts";
import { startTestDaemon } from "../daemon.ts";
import type { TestDaemon } from "../daemon.ts";
import { configOf } from "../config-of.ts";

const silent = { onProgress: () => undefined };
let place: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "claviger-backup-"));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

const at = (name: string): string => join(place, name);

/** What the manual says to bring to a new machine: units and PINs, and no database. */
function newMachine(from: string, name: string): string {
  mkdirSync(at(name), { mode: 0o700 });
  for (const folder of ["units", "pins"]) copyFolder(join(from, folder), join(at(name), folder));
  return at(name);
}

async function backUp(daemon: TestDaemon): Promise<string> {
  using client = new ClavigerClient(daemon);
  const { name } = await client.backups.create();
  const { state } = await client.backups.wait(name);
  expect(state).toBe("complete");
  return join(daemon.folder, "backups", name);
}

const codeOf = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
    return "done";
  } catch (error) {
    return error instanceof ClavigerError || (error instanceof Error && "code" in error)
      ? String(error.code)
      : "?";
  }
};

describe("a backup that is made while clients work and a change re-enciphers", () => {
  it("opens every ciphertext from before its moment on a new machine, which is read-only until that is accepted", async () => {
    const first = await startTestDaemon({ folder: at("first") });
    using client = new ClavigerClient(first);
    const ledger = emptyLedger();
    for (let i = 0; i < 40; i += 1) await createProject(client, ledger, `before-${i}`);
    const { id } = await client.changes.create({ rowsPerSecond: 5 });
    const [filled] = await client.masterKeys.generate();
    await client.masterKeys.commit({ vp: filled?.registers.NEW.vp ?? "" });
    await client.changes.reencipher(id);
    const load: ClientLoad = new Load(client, ledger, "during");
    const before = copyOf(ledger);
    const file = await backUp(first);
    expect((await client.changes.get(id)).state).toBe("REENCIPHERING");
    await load.stop();
    await first.daemon.stop();

    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(first.folder, "backups"))).toHaveLength(1);
    const second = newMachine(first.folder, "second");
    const verified = await verifyBackupOffline(configOf(second), { file, all: true, ...silent });
    expect(verified.findings.problems).toEqual([]);
    expect(verified.findings.keksOpened).toBe(verified.findings.keks);
    expect(readdirSync(second).filter((name) => name.startsWith("verify-"))).toEqual([]);
    await restoreBackupOffline(configOf(second), { file, ...silent });

    copyFileSync(join(first.folder, "admin.token"), join(second, "admin.token"));
    const restored = await startTestDaemon({ folder: second });
    using again = new ClavigerClient({ ...restored, retries: 0 });
    await checkLedger(again, before);
    const { ready, reasons } = await again.status();
    expect([ready, reasons]).toEqual([
      false,
      [expect.stringMatching(/restored from backup .* accept-rollback/)],
    ]);
    expect((await fetch(`${restored.address}/readyz`)).status).toBe(503);
    expect(await codeOf(again.projects.create({ name: "new" }))).toBe("store-rolled-back");
    expect(await codeOf(again.keys.rotate({ project: "before-0", key: "k" }))).toBe("store-rolled-back");
    expect(await codeOf(again.changes.pause(id))).toBe("store-rolled-back");
    expect(await codeOf(again.units.add())).toBe("store-rolled-back");
    expect(await codeOf(again.masterKeys.clearNew({ vp: "0".repeat(32) }))).toBe("store-rolled-back");

    await again.backups.acceptRollback();
    expect(await again.status()).toMatchObject({ ready: true, reasons: [] });
    expect(await codeOf(again.backups.acceptRollback())).toBe("rollback-not-found");
    await createProject(again, before, "after-the-restore");
    await again.waitForChange(id, "READY");
    await checkLedger(again, before);
    await restored.daemon.stop();
  });
});
