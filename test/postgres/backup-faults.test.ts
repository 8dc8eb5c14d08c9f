import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ClavigerClient } from "@claviger/sdk";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { restoreBackupOffline } from "../../packages/server/src/backup-offline.ts";
import { isFailure } from "../../packages/server/src/core/errors.ts";
import { postgresQueries, runStatements } from "../../packages/server/src/store/dialects/postgres.ts";
import { NEWEST_SCHEMA } from "../../packages/server/src/store/migrations/migrate.ts";
import { openPostgresRestoreTarget } from "../../packages/server/src/store/postgres-restore-target.ts";
import { writeRestoredRows } from "../../packages/server/src/store/queries/restores.ts";
import { openPostgresStore } from "../../packages/server/src/store/postgres-store.ts";
import { refusal } from "../contracts/crypto-unit-contract.ts";
import type { AllRows } from "../contracts/store/all-rows.ts";
import { rowsOf } from "../contracts/store/all-rows.ts";
import { checkLedger, createProject, emptyLedger } from "../crash/client-load.ts";
import { copyFolder, openDatabase } from "../crash/data-folder.ts";
import { startTestDaemon } from "../daemon.ts";
import { SCRATCH } from "../model/scratch.ts";
import { isWithout } from "../set-up/without.ts";
import type { CutPoint } from "./proxy.ts";
import { startProxy } from "./proxy.ts";
import type { PostgresServer } from "./server.ts";
import { startPostgres } from "./server.ts";
import { configOf } from "../config-of.ts";

/** Backups of PostgreSQL and restores into it whose connection is lost, or whose process is killed. */
const CHILD = fileURLToPath(new URL("../crash/restore-child.ts", import.meta.url));
const ROWS = 1_100;
const ledger = emptyLedger();
let server: PostgresServer;
let place: string;
/** A backup of more rows than a batch has, of SQLite. */
let file: string;
/** What a restore of it that nothing befell has. */
let whole: AllRows[];

const unixUrl = (database: string): string =>
  `postgres://postgres@/${database}?host=${encodeURIComponent(server.socket)}`;
const restore = (to: { readonly database: string; readonly port?: number }): Promise<unknown> => {
  const { database, port } = to;
  const address = server.address(database);
  const store = port === undefined ? address : { ...address, host: "127.0.0.1", port };
  return restoreBackupOffline(
    { ...configOf(join(place, "units only")), store },
    { file, onProgress: () => undefined },
  );
};
const rowsIn = async (database: string): Promise<AllRows[]> =>
  rowsOf(await openPostgresStore(server.address(database)));

describe.skipIf(isWithout("postgresql"))("backups of PostgreSQL, and restores into it", () => {
  beforeAll(async () => {
    server = await startPostgres();
    place = mkdtempSync(join(SCRATCH, "claviger-pg-backup-"));
    const folder = join(place, "first");
    await using daemon = await startTestDaemon({ folder });
    using client = new ClavigerClient(daemon);
    for (let i = 0; i < 3; i += 1) await createProject(client, ledger, `p${i}`);
    const db = openDatabase(folder, { readOnly: false });
    const insert = db.prepare(
      "INSERT INTO change_history VALUES (NULL, 'none', ?, 'DONE', 'nobody', 'a row')",
    );
    for (let i = 0; i < ROWS; i += 1) insert.run(i);
    db.close();
    const { name } = await client.backups.create();
    await client.backups.wait(name);
    file = join(folder, "backups", name);
    mkdirSync(join(place, "units only"), { mode: 0o700 });
    for (const part of ["units", "pins"]) copyFolder(join(folder, part), join(place, "units only", part));
    const database = await server.newDatabase();
    await restore({ database });
    whole = await rowsIn(database);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(place, { recursive: true, force: true });
  });

  test("a backup whose connection is lost fails and leaves no file; what was served goes on, and the next one is whole", async () => {
    const folder = join(place, "served");
    await using proxy = await startProxy(server.socket);
    const database = await server.newDatabase();
    const store = `postgres://postgres@127.0.0.1:${proxy.port}/${database}`;
    await using daemon = await startTestDaemon({ folder, env: { CLAVIGER_STORE: store } });
    using client = new ClavigerClient(daemon);
    const made = emptyLedger();
    await createProject(client, made, "shop");
    for (const text of [
      "ISOLATION LEVEL REPEATABLE READ READ ONLY",
      'from "keks"',
      'select * from "tokens"',
    ]) {
      proxy.cutAt({ text, nth: 1, when: "before" });
      const { name } = await client.backups.create();
      await expect(client.backups.wait(name), text).rejects.toMatchObject({ code: "store-failed" });
      const backups = join(folder, "backups");
      expect(existsSync(backups) ? readdirSync(backups) : [], text).toEqual([]);
    }
    await checkLedger(client, made);
    const { name } = await client.backups.create();
    expect(await client.backups.wait(name)).toMatchObject({ state: "complete" });
    await createProject(client, made, "yard");
  });

  const commits = Array.from({ length: 5 }, (_, i) => ({ text: "COMMIT\0", nth: i + 1 }));
  const points: CutPoint[] = [
    ...commits.flatMap((at) => [
      { ...at, when: "before" as const },
      { ...at, when: "after" as const },
    ]),
    { text: 'insert into "change_history"', nth: 1, when: "before" },
    { text: "setval", nth: 3, when: "after" },
  ];
  test("a restore whose connection is lost anywhere is not half done, and the second run completes it", async () => {
    const codes = new Set<string>();
    for (const point of points) {
      const shown = JSON.stringify(point);
      await using proxy = await startProxy(server.socket);
      const database = await server.newDatabase();
      proxy.cutAt(point);
      expect(await refusal(restore({ database, port: proxy.port })), shown).toBe("store-failed");
      const state = await openingOf(database);
      codes.add(state);
      if (state === "serves") expect(await refusal(restore({ database })), shown).toBe("store-not-empty");
      else if (state === "nothing") await restore({ database, port: proxy.port });
      else {
        expect(state, shown).toBe("restore-incomplete");
        await restore({ database });
      }
      expect(await rowsIn(database), shown).toEqual(whole);
    }
    expect([...codes].toSorted()).toEqual(["nothing", "restore-incomplete", "serves"]);
  });

  test("a batch that a restore which has died may still commit is waited for, and not written again", async () => {
    const database = await server.newDatabase();
    const address = server.address(database);
    const mark = { id: "m", state: "writing", reason: "restored", asOfMs: 1, markedAtMs: 2 } as const;
    const begin = { mark, backupId: "b", schema: NEWEST_SCHEMA };
    const died = await openPostgresRestoreTarget(address);
    await died.begin(begin);
    await died.close();
    const client = new Client({ ...address, ssl: false });
    await client.connect();
    await client.query("BEGIN");
    const columns = ["n", "id", "name", "kek_id", "created_at_ms"];
    const batch = [{ table: "projects", columns, rows: [[3, "p", "shop", "k", 1]] }];
    await runStatements(client, writeRestoredRows(postgresQueries, { batch, written: 1 }));
    const target = await openPostgresRestoreTarget(address);
    let settled = false;
    const begun = target.begin(begin).finally(() => (settled = true));
    const waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while (!settled && (await server.query(database, waiting)).length === 0) await sleep(20);
    await client.query("COMMIT");
    await client.end();
    expect(await begun).toEqual({ resumed: 1 });
    await target.close();
  });

  test("a restore that was killed is gone on with at once by the same command", async () => {
    const database = await server.newDatabase();
    const child = spawn(process.execPath, [CHILD, join(place, "units only"), file, "3", "before"], {
      env: { ...process.env, CLAVIGER_STORE: unixUrl(database) },
      stdio: ["ignore", "ignore", "inherit"],
    });
    const signal = await new Promise((resolve) => child.once("close", (_, by) => resolve(by)));
    expect(signal).toBe("SIGKILL");
    expect(await openingOf(database)).toBe("restore-incomplete");
    await restore({ database });
    expect(await rowsIn(database)).toEqual(whole);
  });
});

/** How a store opens on a database: a code, "serves", or "nothing" where there are no tables yet. */
async function openingOf(database: string): Promise<string> {
  const tables = await server.query(
    database,
    "SELECT 1 FROM pg_class WHERE relname = 'schema_migrations' AND relnamespace = 'public'::regnamespace",
  );
  if (tables.length === 0) return "nothing";
  try {
    await (await openPostgresStore(server.address(database))).close();
    return "serves";
  } catch (error) {
    if (!isFailure(error)) throw error;
    return error.code;
  }
}
