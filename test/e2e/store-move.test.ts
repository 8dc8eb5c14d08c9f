import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClavigerClient } from "@claviger/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { restoreBackupOffline, verifyBackupOffline } from "../../packages/server/src/backup-offline.ts";
import { openPostgresStore } from "../../packages/server/src/store/postgres-store.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite-store.ts";
import { rowsOf } from "../contracts/store/all-rows.ts";
import { ClientLoad, checkLedger, copyOf, createProject, emptyLedger } from "../crash/client-load.ts";
import { copyFolder, databasePath } from "../crash/data-folder.ts";
import type { TestDaemon } from "../daemon.ts";
import { startTestDaemon } from "../daemon.ts";
import type { PostgresServer } from "../postgres/server.ts";
import { startPostgres } from "../postgres/server.ts";
import { isWithout } from "../set-up/without.ts";
import { configOf } from "../config-of.ts";

/** Backups are how a service moves from one kind of store to the other: its rows come along, and nothing else changes. */
let server: PostgresServer;
let place: string;
const silent = { onProgress: () => undefined };

const onPostgres = (database: string) => ({
  CLAVIGER_STORE: `postgres://postgres@/${database}?host=${encodeURIComponent(server.socket)}`,
});

async function backUp(daemon: TestDaemon): Promise<string> {
  using client = new ClavigerClient(daemon);
  const { name } = await client.backups.create();
  expect((await client.backups.wait(name)).state).toBe("complete");
  return join(daemon.folder, "backups", name);
}

describe.skipIf(isWithout("postgresql"))("from SQLite to PostgreSQL and back", () => {
  beforeAll(async () => {
    server = await startPostgres();
    place = mkdtempSync(join(tmpdir(), "claviger-move-"));
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(place, { recursive: true, force: true });
  });

  test("everything is there on the other side: rows, MACs, keys that decrypt, and the audit log goes on", async () => {
    const folder = join(place, "data");
    const database = await server.newDatabase();
    const store = server.address(database);
    const ledger = emptyLedger();

    const first = await startTestDaemon({ folder });
    {
      using client = new ClavigerClient(first);
      for (let i = 0; i < 25; i += 1) await createProject(client, ledger, `sqlite-${i}`);
      await client.principals.create({ name: "reader", grants: [{ role: "auditor" }] });
    }
    const file = await backUp(first);
    await first.daemon.stop();
    const before = await rowsOf(openSqliteStore({ path: databasePath(folder), threads: "none" }));

    // The same data folder, and a configuration that names another store.
    const { unitFailures } = await restoreBackupOffline({ ...configOf(folder), store }, { file, ...silent });
    expect(unitFailures).toEqual([]);
    expect(await rowsOf(await openPostgresStore(store))).toEqual(before);

    const second = await startTestDaemon({ folder, env: onPostgres(database) });
    let moved: string;
    let known: typeof ledger;
    {
      using client = new ClavigerClient(second);
      expect((await client.status()).reasons).toEqual([expect.stringContaining("restored from backup")]);
      await checkLedger(client, ledger);
      await client.backups.acceptRollback();
      // A change re-enciphers and clients work while the backup of PostgreSQL is made.
      const { id } = await client.changes.create({ rowsPerSecond: 15 });
      const [filled] = await client.masterKeys.generate();
      await client.masterKeys.commit({ vp: filled?.registers.NEW.vp ?? "" });
      await client.changes.reencipher(id);
      const load = new ClientLoad(client, ledger, "postgresql");
      await createProject(client, ledger, "on-postgresql");
      known = copyOf(ledger);
      moved = await backUp(second);
      expect((await client.changes.get(id)).state).toBe("REENCIPHERING");
      await client.waitForChange(id, "READY", { pollMs: 50 });
      await load.stop();
      expect(await client.audit.verify()).toMatchObject({ verified: true });
    }
    await second.daemon.stop();

    const config = configOf(folder);
    const { findings } = await verifyBackupOffline(
      { ...config, store },
      { file: moved, all: true, ...silent },
    );
    expect(findings.problems).toEqual([]);
    expect(findings.keksOpened).toBe(findings.keks);
    renameSync(databasePath(folder), join(place, "before.db"));
    await restoreBackupOffline(config, { file: moved, ...silent });

    const third = await startTestDaemon({ folder });
    using client = new ClavigerClient(third);
    await checkLedger(client, known);
    await client.backups.acceptRollback();
    expect(await client.status()).toMatchObject({ ready: true });
    await createProject(client, known, "back-on-sqlite");
    await checkLedger(client, known);
    const audit = await client.audit.verify();
    expect(audit.verified).toBe(true);
    expect(audit.chains.length).toBeGreaterThanOrEqual(3);
    await third.daemon.stop();
  });

  test("a database in use, one that a daemon serves from, and one that holds a part of another backup are refused as they are", async () => {
    const folder = join(place, "used");
    const database = await server.newDatabase();
    const store = server.address(database);
    const daemon = await startTestDaemon({ folder, env: onPostgres(database) });
    const [one, two] = [await backUp(daemon), await backUp(daemon)];
    const other = join(place, "other");
    mkdirSync(other, { mode: 0o700 });
    for (const name of ["units", "pins"]) copyFolder(join(folder, name), join(other, name));
    const restore = (to: string, file: string) =>
      restoreBackupOffline({ ...configOf(other), store: server.address(to) }, { file, ...silent });
    await expect(restore(database, one)).rejects.toMatchObject({ code: "store-in-use" });
    await daemon.daemon.stop();
    await expect(restore(database, one)).rejects.toMatchObject({ code: "store-not-empty" });
    const rows = await rowsOf(await openPostgresStore(store));
    expect(rows.find(({ table }) => table === "projects")?.rows).toHaveLength(1);

    const half = await server.newDatabase();
    await restore(half, one);
    await server.query(half, "UPDATE rollback_marks SET state = 'writing'");
    await expect(restore(half, two)).rejects.toMatchObject({ code: "restore-incomplete" });
    await expect(startTestDaemon({ folder: other, env: onPostgres(half) })).rejects.toMatchObject({
      code: "restore-incomplete",
    });
    await expect(restore(half, one)).resolves.toMatchObject({ unitFailures: [] });
  });
});
