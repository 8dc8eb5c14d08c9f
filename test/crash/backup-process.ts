import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ClavigerClient } from "@claviger/sdk";
import { restoreBackupOffline } from "../../packages/server/src/backup-offline.ts";
import { startTestDaemon } from "../daemon.ts";
import { SCRATCH } from "../model/scratch.ts";
import { copyFolder, openDatabase } from "./data-folder.ts";

/*
 * Backs up and restores a database with many KEKs, `backup-process.ts <keks>`, and prints as JSON the most memory that the
 * process had before, behind the backup and behind the restore, in MiB, with the size of the backup.
 */
const count = Number(process.argv[2]);
const place = mkdtempSync(join(SCRATCH, "claviger-memory-"));
try {
  const folder = join(place, "data");
  const daemon = await startTestDaemon({ folder });
  using client = new ClavigerClient(daemon);
  const db = openDatabase(folder, { readOnly: false });
  db.exec("BEGIN");
  const insert = db.prepare(
    `INSERT INTO keks (id, project_id, fence_id, kcv, wrapped, mk, row_version)
     VALUES ('kek ' || ?, 'project ' || ?, 1, randomblob(16), randomblob(73), 1, 1)`,
  );
  for (let i = 0; i < count; i += 1) insert.run(i, i);
  db.exec("COMMIT");
  db.close();
  const mib = (): number => Math.round(process.resourceUsage().maxRSS / 1024);
  const before = mib();
  const { name } = await client.backups.create();
  const { sizeBytes, rows } = await client.backups.wait(name);
  const backup = mib();
  await daemon.daemon.stop();
  const second = join(place, "second");
  mkdirSync(second, { mode: 0o700 });
  for (const each of ["units", "pins"]) copyFolder(join(folder, each), join(second, each));
  const file = join(folder, "backups", name);
  await restoreBackupOffline({ dataFolder: second }, { file, onProgress: () => undefined });
  const copy = openDatabase(second);
  const keks = copy.prepare("SELECT count(*) AS keks FROM keks").get()?.["keks"];
  copy.close();
  const figures = {
    before,
    backup,
    restore: mib(),
    sizeMib: Math.round((sizeBytes ?? 0) / 2 ** 20),
    rows,
    keks,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
} finally {
  rmSync(place, { recursive: true, force: true });
}
