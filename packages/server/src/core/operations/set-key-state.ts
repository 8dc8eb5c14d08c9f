import type { VouchedRows } from "../access/vouched-rows.ts";
import { Failure } from "../errors.ts";
import type { KeyDirectory } from "../hierarchy/key-directory.ts";
import type { KeyRecord, KeyState } from "../hierarchy/records.ts";
import type { KeyStore } from "../ports/store.ts";

/**
 * Enables or disables a key; a key that is in that state already stays as it is.
 * @throws Failure `key-changed`.
 */
export async function setKeyState(
  ports: {
    readonly store: Pick<KeyStore, "updateKey">;
    readonly keys: KeyDirectory;
    readonly vouchedRows: VouchedRows;
  },
  input: { readonly key: KeyRecord; readonly state: KeyState },
): Promise<KeyRecord> {
  const { key, state } = input;
  if (key.state === state) return key;
  const { mac: _mac, ...members } = key;
  const updated = await ports.vouchedRows.vouchForKey({ ...members, state, revision: key.revision + 1 });
  const outcome = await ports.keys.changing(key.id, () =>
    ports.store.updateKey({ key: updated, version: undefined }),
  );
  if (outcome === "changed-meanwhile") throw new Failure("key-changed");
  return updated;
}
