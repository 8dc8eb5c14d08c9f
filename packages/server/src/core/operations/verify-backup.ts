import type { BackupHeader, PastChange } from "../backup/backup-header.ts";
import type { Alarms } from "../ports/alarms.ts";
import type { BackupSource } from "../ports/backup-folder.ts";
import type { RestoreTarget } from "../ports/backup-store.ts";
import type { Store } from "../ports/store.ts";
import type { Clock } from "../clock.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";
import type { StoreFindings } from "./examine-store.ts";
import { examineStore } from "./examine-store.ts";
import { restoreBackup } from "./restore-backup.ts";

/** A store of its own that is thrown away afterwards: filled as a target, then opened. */
export interface ScratchStore {
  readonly target: RestoreTarget;
  /** Closes the target and opens what it holds. */
  open(): Promise<Store>;
}

export interface VerifiedBackup {
  readonly header: BackupHeader;
  readonly findings: StoreFindings;
}

/**
 * Proves a backup by restoring it: every chunk opens, every row is written into a scratch store of this release, and what is
 * there is examined.
 * @throws Failure those of a restore. What does not verify in the rows is a finding.
 */
export async function verifyBackup(
  ports: {
    readonly units: AttachedUnits;
    readonly scratch: ScratchStore;
    readonly alarms: Alarms;
    readonly clock: Clock;
  },
  input: {
    readonly source: BackupSource;
    readonly history: readonly PastChange[];
    readonly sample: number | "all";
    readonly onProgress: (progress: { readonly rows: number; readonly written: number }) => void;
  },
): Promise<VerifiedBackup> {
  const { scratch, units, alarms } = ports;
  const header = await restoreBackup({ ...ports, target: scratch.target }, input);
  const store = await scratch.open();
  try {
    return { header, findings: await examineStore({ store, units, alarms }, { sample: input.sample }) };
  } finally {
    await store.close();
  }
}
