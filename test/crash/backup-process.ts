import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ClavigerClient } from "@claviger/sdk";
import { restoreBackupOffline } from "../../packages/server/src/backup-offline.ts";
import { readConfig } from "../../packages/server/src/ops/config.ts";
import type { PostgresServer } from "../postgres/server.ts";
import { startPostgres } from "../postgres/server.ts";
import { startTestDaemon } from "../daemon.ts";
import { SCRATCH } from "../model/scratch.ts";
import { copyFolder, openDatabase } from "./data-folder.ts";

/*
 * Backs up and restores a database with many KEKs, `backup-process.ts <keks> <sqlite|postgresql>`, and prints as JSON the
 * most memory that the process had before, behind the backup and behind the restore, in MiB, with the size of the backup.
 */
const count = Number(process.argv[2]);
await using server = process.argv[3] === "postgresql" ? await startPostgres() : undefined;
const place = mkdtempSync(join(SCRATCH, "claviger-memory-"));
try {
  const [folder, second] = [join(place, "data"), join(place, "second")];
  const [from, to] = [await envOf(server), await envOf(server)];
  const daemon = await startTestDaemon({ folder, env: from });
  using client = new ClavigerClient(daemon);
  await fill(server);
  const mib = (): number => Math.round(process.resourceUsage().maxRSS / 1024);
  const before = mib();
  const { name } = await client.backups.create();
  const { sizeBytes, rows } = await client.backups.wait(name);
  const backup = mib();
  await daemon.daemon.stop();
  mkdirSync(second, { mode: 0o700 });
  for (const each of ["units", "pins"]) copyFolder(join(folder, each), join(second, each));
  const file = join(folder, "backups", name);
  const config = readConfig({ ...to, CLAVIGER_DATA: second }, place, () => undefined);
  await restoreBackupOffline(config, { file, onProgress: () => undefined });
  const figures = {
    before,
    backup,
    restore: mib(),
    sizeMib: Math.round((sizeBytes ?? 0) / 2 ** 20),
    rows,
    keks: await keksRestored(server, second),
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
} finally {
  rmSync(place, { recursive: true, force: true });
}

/** The store of a daemon: a database of its own on the server, or the file of its data folder. */
async function envOf(of: PostgresServer | undefined): Promise<Readonly<Record<string, string>>> {
  if (!of) return {};
  const database = await of.newDatabase();
  return { CLAVIGER_STORE: `postgres://postgres@/${database}?host=${encodeURIComponent(of.socket)}` };
}

async function fill(of: PostgresServer | undefined): Promise<void> {
  if (of) {
    await of.query(
      "t1",
      `INSERT INTO keks (id, project_id, fence_id, kcv, wrapped, mk, row_version)
       SELECT 'kek ' || i, 'project ' || i, 1, decode(md5(i::text), 'hex'), decode(repeat(md5(i::text), 5), 'hex'), 1, 1
       FROM generate_series(1, ${count}) AS i`,
    );
    return;
  }
  const db = openDatabase(join(place, "data"), { readOnly: false });
  db.exec("BEGIN");
  const insert = db.prepare(
    `INSERT INTO keks (id, project_id, fence_id, kcv, wrapped, mk, row_version)
     VALUES ('kek ' || ?, 'project ' || ?, 1, randomblob(16), randomblob(73), 1, 1)`,
  );
  for (let i = 0; i < count; i += 1) insert.run(i, i);
  db.exec("COMMIT");
  db.close();
}

async function keksRestored(of: PostgresServer | undefined, folder: string): Promise<unknown> {
  const sql = "SELECT count(*) AS keks FROM keks";
  if (of) return (await of.query<{ keks: number }>("t2", sql))[0]?.keks;
  const db = openDatabase(folder);
  try {
    return db.prepare(sql).get()?.["keks"];
  } finally {
    db.close();
  }
}
