import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { Failure, isFailure } from "../errors.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { KeyVersionRecord } from "../hierarchy/records.ts";
import { BACKUP_KEY_NAME, RESERVED_PROJECT_ID } from "../hierarchy/reserved-project.ts";
import { createKey } from "../operations/create-key.ts";
import type { KeyStore, ProjectStore } from "../ports/store.ts";

/**
 * The key version that seals the file keys of backups, made at first use.
 * @throws Failure `store-damaged`, `record-not-vouched`, and those of a creation.
 */
export async function backupKey(ports: {
  readonly store: Pick<ProjectStore, "findProject"> & KeyStore;
  readonly materials: OpenedMaterials;
  readonly vouchedRows: VouchedRows;
  readonly clock: Clock;
}): Promise<KeyVersionRecord> {
  const { store, vouchedRows } = ports;
  const project = await store.findProject({ ref: RESERVED_PROJECT_ID });
  if (!project) throw new Failure("store-damaged", "there is no reserved project");
  const find = () => store.findKey({ projectId: project.id, ref: BACKUP_KEY_NAME });
  if (!(await find())) {
    try {
      await createKey(ports, { project, name: BACKUP_KEY_NAME });
    } catch (error) {
      if (!isFailure(error, "key-exists")) throw error; // somebody else was first
    }
  }
  const key = await find();
  const version = key && (await store.readKeyVersion({ keyId: key.id, version: key.currentVersion }));
  if (!version) throw new Failure("store-damaged", "the key of backups has no version");
  await vouchedRows.checkKey(key);
  return await vouchedRows.checkVersion(version);
}
