import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { BackupHeader, PastChange } from "./core/backup/backup-header.ts";
import { unitsAtHand } from "./core/backup/units-at-hand.ts";
import { systemClock } from "./core/clock.ts";
import type { Failure } from "./core/errors.ts";
import { isFailure } from "./core/errors.ts";
import type { ScratchStore, VerifiedBackup } from "./core/operations/verify-backup.ts";
import { verifyBackup } from "./core/operations/verify-backup.ts";
import { restoreBackup } from "./core/operations/restore-backup.ts";
import type { Alarms } from "./core/ports/alarms.ts";
import type { AttachedUnits } from "./core/unit/attached-units.ts";
import { openBackupFile } from "./ops/backup-folder.ts";
import type { Config } from "./ops/config.ts";
import type { DataFolder } from "./ops/data-folder.ts";
import { openDataFolder } from "./ops/data-folder.ts";
import { lockDataFolder } from "./ops/data-folder-lock.ts";
import { openPostgresRestoreTarget } from "./store/postgres-restore-target.ts";
import { readChangesOfPostgres } from "./store/postgres-store.ts";
import { openSqliteRestoreTarget } from "./store/sqlite-restore-target.ts";
import { openSqliteStore, readChangesOf } from "./store/sqlite-store.ts";
import { unitFolder } from "./unit-folder.ts";

/*
 * What is done with backups without a running daemon. It names the adapters, as compose.ts does for the daemon, and holds
 * the data folder against one meanwhile.
 */

interface Progress {
  readonly rows: number;
  readonly written: number;
}

/** What a verb says to people who wait. */
type OnProgress = (progress: Progress) => void;

export interface RestoredBackup {
  readonly header: BackupHeader;
  /** Units whose files did not open, of those that are there. */
  readonly unitFailures: readonly Failure[];
}

const SCRATCH = "verify-";
/** KEKs that are opened where not all are asked for. */
const SAMPLE = 1_000;

/** What a unit refuses is in the findings of the verb. */
const noAlarms: Alarms = { raise: () => undefined };

/**
 * Restores a backup into the store that the configuration names, which is empty or has a part of the same backup, with the
 * units and PINs of the data folder. Which kind of store the backup is of makes no difference.
 * @throws Failure those of `restoreBackup`, of the store, of units and of the data folder.
 */
export async function restoreBackupOffline(
  config: Pick<Config, "dataFolder" | "store" | "pkcs11">,
  input: { readonly file: string; readonly onProgress: OnProgress },
): Promise<RestoredBackup> {
  return await atRest(config, async ({ data, units, unitFailures }) => {
    await using source = await openBackupFile(input.file);
    const target = config.store
      ? await openPostgresRestoreTarget(config.store)
      : openSqliteRestoreTarget(storePath(data));
    try {
      const ports = { units, target, alarms: noAlarms, clock: systemClock };
      const header = await restoreBackup(ports, { source, history: [], onProgress: input.onProgress });
      return { header, unitFailures };
    } finally {
      await target.close();
    }
  });
}

/**
 * Verifies a backup with the units of the data folder, and leaves the store alone: restores it into a file of its own, checks every row MAC there, and opens KEKs in the units.
 * @throws Failure those of `verifyBackup`, of units and of the data folder.
 */
export async function verifyBackupOffline(
  config: Pick<Config, "dataFolder" | "store" | "pkcs11">,
  input: { readonly file: string; readonly all: boolean; readonly onProgress: OnProgress },
): Promise<VerifiedBackup> {
  return await atRest(config, async ({ data, units }) => {
    await using source = await openBackupFile(input.file);
    using scratch = scratchStore(data);
    const ports = { units, scratch, alarms: noAlarms, clock: systemClock };
    const sample = input.all ? "all" : SAMPLE;
    const history = await historyOf(config, data);
    return await verifyBackup(ports, { source, history, sample, onProgress: input.onProgress });
  });
}

interface AtRest {
  readonly data: DataFolder;
  readonly units: AttachedUnits;
  readonly unitFailures: readonly Failure[];
}

async function atRest<Result>(
  config: Pick<Config, "dataFolder" | "pkcs11">,
  act: (at: AtRest) => Promise<Result>,
): Promise<Result> {
  process.umask(0o077);
  const data = openDataFolder(config.dataFolder);
  using _lock = lockDataFolder(data.path);
  const { units, failures } = await unitsAtHand(unitFolder(data, config));
  try {
    return await act({ data, units, unitFailures: failures });
  } finally {
    await units.close();
  }
}

function storePath(data: DataFolder): string {
  return join(data.store, "claviger.db");
}

/** A database in a folder of its own, which goes with it; what a crash left of an earlier one goes first. */
function scratchStore(data: DataFolder): ScratchStore & Disposable {
  for (const name of readdirSync(data.path))
    if (name.startsWith(SCRATCH)) rmSync(join(data.path, name), { recursive: true });
  const folder = mkdtempSync(join(data.path, SCRATCH));
  const path = join(folder, "claviger.db");
  const target = openSqliteRestoreTarget(path);
  return {
    target,
    open: async () => {
      await target.close();
      return openSqliteStore({ path, threads: "none" });
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Changes that the database at hand knows of: what it says, if it can be read. */
async function historyOf(config: Pick<Config, "store">, data: DataFolder): Promise<readonly PastChange[]> {
  try {
    const changes = config.store
      ? await readChangesOfPostgres(config.store)
      : existsSync(storePath(data))
        ? readChangesOf(storePath(data))
        : [];
    return changes.flatMap(({ id, state, from, to, openedAtMs }) =>
      to ? [{ id, state, from, to, openedAtMs }] : [],
    );
  } catch (error) {
    if (!isFailure(error)) throw error;
    return []; // a database that is damaged is why backups are looked at
  }
}
