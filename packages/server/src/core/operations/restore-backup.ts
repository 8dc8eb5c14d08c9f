import type { BackupHeader, PastChange } from "../backup/backup-header.ts";
import { openBackup, readHeader, readRows } from "../backup/read-backup.ts";
import type { Clock } from "../clock.ts";
import { uuid } from "../crypto/random.ts";
import type { Alarms } from "../ports/alarms.ts";
import type { BackupSource } from "../ports/backup-folder.ts";
import type { RestoreTarget, TableRows } from "../ports/backup-store.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";

export interface RestorePorts {
  readonly units: AttachedUnits;
  readonly target: RestoreTarget;
  readonly alarms: Alarms;
  readonly clock: Clock;
}

/** Rows of one durable transaction. */
const BATCH_ROWS = 500;

/**
 * Writes a backup into an empty store, in durable batches. One that was interrupted is gone on with when it is repeated with
 * the same file; until it is complete, no daemon starts on the store. Afterwards the store says that it was restored, and
 * stays read-only until an administrator has accepted that.
 * @throws Failure `backup-damaged`, `backup-newer`, `backup-needs-unit`, `store-not-empty`, `restore-incomplete` when the store
 * holds a part of another backup, and those of the store.
 */
export async function restoreBackup(
  ports: RestorePorts,
  input: {
    readonly source: BackupSource;
    readonly history: readonly PastChange[];
    readonly onProgress: (progress: { readonly rows: number; readonly written: number }) => void;
  },
): Promise<BackupHeader> {
  const { target } = ports;
  const read = await readHeader(input.source);
  const { header } = read;
  using fileKey = await openBackup(ports, header, input.history);
  const rows = header.tables.reduce((sum, table) => sum + table.rows, 0);
  const pages = readRows(input.source, read, fileKey, BATCH_ROWS);
  // The first page proves the header, before anything is written that it says.
  let page = await pages.next();

  const resumed = await begin(ports, header);
  let written = 0;
  let batch: TableRows[] = [];
  let batched = 0;
  const flush = async (): Promise<void> => {
    if (batched === 0) return;
    await target.writeRows({ batch, written });
    input.onProgress({ rows, written });
    batch = [];
    batched = 0;
  };
  for (; page.done !== true; page = await pages.next()) {
    const skipped = Math.min(Math.max(resumed - written, 0), page.value.rows.length);
    written += page.value.rows.length;
    if (skipped < page.value.rows.length) {
      batch.push({ ...page.value, rows: page.value.rows.slice(skipped) });
      batched += page.value.rows.length - skipped;
    }
    if (batched >= BATCH_ROWS) await flush();
  }
  await flush();
  await target.finish();
  return header;
}

async function begin({ target, clock }: RestorePorts, header: BackupHeader): Promise<number> {
  const at = new Date(header.createdAtMs).toISOString();
  const begun = await target.begin({
    mark: {
      id: uuid(),
      state: "writing",
      reason: `restored from backup ${header.id} of ${at}`,
      asOfMs: header.createdAtMs,
      markedAtMs: clock.nowMs(),
    },
    backupId: header.id,
    schema: header.schema,
  });
  return begun.resumed;
}
