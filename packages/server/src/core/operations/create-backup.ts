import type { VouchedRows } from "../access/vouched-rows.ts";
import { backupKey } from "../backup/backup-key.ts";
import type { BackupHeader, MasterKeyNeed, PastChange } from "../backup/backup-header.ts";
import { writeBackup } from "../backup/write-backup.ts";
import type { Clock } from "../clock.ts";
import { newFileKey } from "../crypto/backup-file-key.ts";
import { uuid } from "../crypto/random.ts";
import { Failure } from "../errors.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { BackupFolder } from "../ports/backup-folder.ts";
import type { SnapshotStore, StoreSnapshot } from "../ports/backup-store.ts";
import type { Store } from "../ports/store.ts";

export interface CreateBackupPorts {
  readonly store: Store;
  readonly snapshots: SnapshotStore;
  readonly materials: OpenedMaterials;
  readonly vouchedRows: VouchedRows;
  readonly clock: Clock;
  readonly folder: BackupFolder;
  /** Who makes it, for people. */
  readonly maker: { readonly version: string; readonly node: string };
}

/** Changes that a header tells of, the newest first. */
const CHANGES_TOLD = 50;

/**
 * Writes a backup of the database as of one moment, while everything goes on. When it fails, or `signal` aborts, nothing of
 * it is left.
 * @throws Failure `backup-not-written`, `stopping` when it was aborted, those of the store and of opening a key.
 */
export async function createBackup(
  ports: CreateBackupPorts,
  input: {
    readonly name: string;
    readonly signal: AbortSignal;
    readonly onProgress: (progress: { readonly rows: number; readonly written: number }) => void;
  },
): Promise<BackupHeader> {
  const key = await backupKey(ports);
  await using snapshot = await ports.snapshots.openSnapshot();
  const rows = snapshot.counts.reduce((sum, table) => sum + table.rows, 0);
  const { fileKey, sealed } = await ports.materials.withMaterial(key, (opened) => newFileKey(key, opened));
  using wiped = fileKey;
  const kek = await snapshot.readKek({ kekId: key.kekId });
  if (!kek) throw new Failure("store-damaged", "the KEK of the reserved project is not there");
  const { group, type, kcv } = kek;
  const header: BackupHeader = {
    format: 1,
    id: uuid(),
    claviger: ports.maker.version,
    node: ports.maker.node,
    createdAtMs: ports.clock.nowMs(),
    schema: snapshot.schema,
    masterKeys: await masterKeyNeeds(snapshot),
    tables: snapshot.counts,
    kek: {
      id: key.kekId,
      projectId: key.projectId,
      group,
      type,
      kcv,
      wrapped: [kek.wrapped, kek.wrappedNew, kek.wrappedOld].filter((form) => form !== undefined),
    },
    sealingKey: { id: key.keyId, version: key.version, wrapped: key.wrapped },
    fileKey: sealed,
  };
  const sink = await ports.folder.create(input.name);
  try {
    const onRows = (written: number): void => input.onProgress({ rows, written });
    for await (const piece of writeBackup(snapshot, header, wiped, onRows)) {
      if (input.signal.aborted)
        throw new Failure("stopping", "the service stopped while the backup was written");
      await sink.write(piece);
    }
    await sink.keep();
    return header;
  } catch (error) {
    await sink.discard();
    throw error;
  }
}

async function masterKeyNeeds(snapshot: StoreSnapshot): Promise<readonly MasterKeyNeed[]> {
  const changes = (await snapshot.listChanges({ limit: CHANGES_TOLD, after: undefined, openOnly: false }))
    .items;
  const needs: MasterKeyNeed[] = [];
  for (const { group, type, currentVp } of await snapshot.listFences({})) {
    needs.push({
      group,
      type,
      current: currentVp,
      patterns: await snapshot.census({ group, type }),
      changes: changes
        .filter((change) => change.group === group && change.type === type)
        .flatMap(({ id, state, from, to, openedAtMs }): PastChange[] =>
          to ? [{ id, state, from, to, openedAtMs }] : [],
        ),
    });
  }
  return needs;
}
