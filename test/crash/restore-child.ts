import { restoreBackup } from "../../packages/server/src/core/operations/restore-backup.ts";
import { unitsAtHand } from "../../packages/server/src/core/backup/units-at-hand.ts";
import { systemClock } from "../../packages/server/src/core/clock.ts";
import type { RestoreTarget } from "../../packages/server/src/core/ports/backup-store.ts";
import { openBackupFile } from "../../packages/server/src/ops/backup-folder.ts";
import { readConfig } from "../../packages/server/src/ops/config.ts";
import { openDataFolder, writeSecretFile } from "../../packages/server/src/ops/data-folder.ts";
import { openPostgresRestoreTarget } from "../../packages/server/src/store/postgres-restore-target.ts";
import { openSqliteRestoreTarget } from "../../packages/server/src/store/sqlite-restore-target.ts";
import { softwareUnitFolder } from "../../packages/server/src/units/software/software-unit-folder.ts";
import { databasePath } from "./data-folder.ts";

/*
 * A restore that kills itself: `restore-child.ts <data folder> <file> <n> <before|after>`. At the n-th call of the target, before
 * it or when it was done, the process gets SIGKILL. It prints how many calls there were when it gets to its end. The store is
 * that of CLAVIGER_STORE, or the file of the data folder.
 */
const [dataFolder = "", file = "", nth = "", moment = ""] = process.argv.slice(2);

let calls = 0;
async function dyingAt<Result>(run: () => Promise<Result>): Promise<Result> {
  const mine = ++calls === Number(nth);
  if (mine && moment === "before") process.kill(process.pid, "SIGKILL");
  const result = await run();
  if (mine) process.kill(process.pid, "SIGKILL");
  return result;
}

const data = openDataFolder(dataFolder);
const { units } = await unitsAtHand(
  softwareUnitFolder({ units: data.units, pins: data.pins, writeSecretFile }),
);
const { store } = readConfig({ ...process.env, CLAVIGER_DATA: dataFolder }, dataFolder, () => undefined);
const inner = store
  ? await openPostgresRestoreTarget(store)
  : openSqliteRestoreTarget(databasePath(dataFolder));
const target: RestoreTarget = {
  begin: (input) => dyingAt(() => inner.begin(input)),
  writeRows: (input) => dyingAt(() => inner.writeRows(input)),
  finish: () => dyingAt(() => inner.finish()),
  close: () => inner.close(),
};
await using source = await openBackupFile(file);
const ports = { units, target, alarms: { raise: () => undefined }, clock: systemClock };
await restoreBackup(ports, { source, history: [], onProgress: () => undefined });
await target.close();
await units.close();
process.stdout.write(`${calls}\n`);
