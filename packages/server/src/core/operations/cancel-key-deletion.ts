import type { ChangeKeyPorts } from "../hierarchy/change-key.ts";
import { changeKey } from "../hierarchy/change-key.ts";
import { requireKeyState } from "../hierarchy/key-states.ts";
import type { KeyRecord } from "../hierarchy/records.ts";

/**
 * Takes a scheduled destruction back, up to the moment at which it happens. The key is disabled then, as in AWS KMS:
 * whoever wants it back in use enables it.
 * @throws Failure `key-not-pending-deletion`, `key-destroyed`, `key-changed`.
 */
export async function cancelKeyDeletion(
  ports: ChangeKeyPorts,
  input: { readonly key: KeyRecord },
): Promise<KeyRecord> {
  requireKeyState(input.key, "cancel-deletion");
  return await changeKey(ports, input.key, { state: "disabled", deletionDueMs: undefined });
}
