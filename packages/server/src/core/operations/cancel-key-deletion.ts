import type { ChangeKeyPorts } from "../hierarchy/change-key.ts";
import { changeKey } from "../hierarchy/change-key.ts";
import { requireKeyState } from "../hierarchy/key-states.ts";
import type { KeyRecord } from "../hierarchy/records.ts";

/**
 * Takes a scheduled destruction back, up to the moment at which it happens. The key is disabled then, as in AWS KMS:
 * whoever wants it back in use enables it. One that never had material waits for that again.
 * @throws Failure `key-not-pending-deletion`, `key-destroyed`, `key-changed`.
 */
export async function cancelKeyDeletion(
  ports: ChangeKeyPorts,
  input: { readonly key: KeyRecord },
): Promise<KeyRecord> {
  const { key } = input;
  requireKeyState(key, "cancel-deletion");
  const state = key.currentVersion === 0 ? "pending-import" : "disabled";
  return await changeKey(ports, key, { state, deletionDueMs: undefined });
}
