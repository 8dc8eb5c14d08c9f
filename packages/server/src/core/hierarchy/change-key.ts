import type { VouchedRows } from "../access/vouched-rows.ts";
import { Failure } from "../errors.ts";
import type { KeyStore } from "../ports/store.ts";
import type { KeyDirectory } from "./key-directory.ts";
import type { KeyRecord, KeyVersionRecord } from "./records.ts";

export interface ChangeKeyPorts {
  readonly store: Pick<KeyStore, "updateKey">;
  readonly keys: KeyDirectory;
  readonly vouchedRows: VouchedRows;
}

/**
 * Writes the next revision of a key, vouched for, and with it a new version if there is one. Of two that change the
 * same revision one is done, whole, and the other one is refused.
 * @throws Failure `key-changed`; `mutations-frozen`, only with a version.
 */
export async function changeKey(
  ports: ChangeKeyPorts,
  key: KeyRecord,
  change: Partial<Pick<KeyRecord, "state" | "currentVersion" | "deletionDueMs">>,
  version?: KeyVersionRecord,
): Promise<KeyRecord> {
  const { mac: _mac, ...members } = key;
  const changed = await ports.vouchedRows.vouchForKey({ ...members, ...change, revision: key.revision + 1 });
  const outcome = await ports.keys.changing(key.id, () => ports.store.updateKey({ key: changed, version }));
  if (outcome === "frozen") throw new Failure("mutations-frozen");
  if (outcome === "changed-meanwhile") throw new Failure("key-changed");
  return changed;
}
