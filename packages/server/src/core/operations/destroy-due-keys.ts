import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { isFailure } from "../errors.ts";
import type { KeyDirectory } from "../hierarchy/key-directory.ts";
import { requireKeyState } from "../hierarchy/key-states.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { KeyRecord, KeyVersionRecord } from "../hierarchy/records.ts";
import type { KeyStore } from "../ports/store.ts";

export interface DestroyKeysPorts {
  readonly store: Pick<KeyStore, "listKeysDue" | "listKeyVersions" | "destroyKey">;
  readonly keys: KeyDirectory;
  readonly materials: OpenedMaterials;
  readonly vouchedRows: VouchedRows;
  readonly clock: Clock;
}

const NOTHING = new Uint8Array(0);

/**
 * Destroys keys whose time has come, the longest due first: those whose row is vouched for, each in one conditional
 * write, so that a cancel at the last moment wins or loses whole. A row that is not vouched for is left alone: its
 * state and date are nobody's word, and `record-not-vouched` is raised.
 * @returns the keys that were destroyed, and how many of the due ones were left.
 */
export async function destroyDueKeys(
  ports: DestroyKeysPorts,
  input: { readonly limit: number },
): Promise<{ readonly destroyed: readonly KeyRecord[]; readonly left: number }> {
  const due = await ports.store.listKeysDue({ nowMs: ports.clock.nowMs(), limit: input.limit });
  const destroyed: KeyRecord[] = [];
  for (const key of due) {
    const gone = await destroyKey(ports, key);
    if (gone) destroyed.push(gone);
  }
  return { destroyed, left: due.length - destroyed.length };
}

/** Undefined when the row is not vouched for, is not due, or was changed meanwhile: the deletion was canceled. */
async function destroyKey(ports: DestroyKeysPorts, row: KeyRecord): Promise<KeyRecord | undefined> {
  const key = await vouched(() => ports.vouchedRows.checkKey(row));
  // The time is read again for each key: a clock that was put back since has not come to this one yet.
  const nowMs = ports.clock.nowMs();
  if (key?.deletionDueMs === undefined || key.deletionDueMs > nowMs) return undefined;
  requireKeyState(key, "destroy");
  const versions: KeyVersionRecord[] = [];
  for (const found of await ports.store.listKeyVersions({ keyId: key.id })) {
    // What was tampered with is overwritten like the others, and stays without anyone who vouches for it.
    const version = await vouched(() => ports.vouchedRows.checkVersion(found));
    if (!version) continue;
    const { mac: _mac, ...members } = version;
    versions.push(await ports.vouchedRows.vouchForVersion({ ...members, wrapped: NOTHING }));
  }
  const { mac: _mac, ...members } = key;
  const destroyed = await ports.vouchedRows.vouchForKey({
    ...members,
    state: "destroyed",
    destroyedAtMs: nowMs,
    revision: key.revision + 1,
  });
  const outcome = await ports.keys.changing(key.id, () =>
    ports.store.destroyKey({ key: destroyed, versions }),
  );
  ports.materials.dropKey(key.id);
  return outcome === "destroyed" ? destroyed : undefined;
}

async function vouched<Row>(check: () => Promise<Row>): Promise<Row | undefined> {
  try {
    return await check();
  } catch (error) {
    if (isFailure(error, "record-not-vouched")) return undefined;
    throw error;
  }
}
