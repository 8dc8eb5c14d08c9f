import type { ChangeKeyPorts } from "../hierarchy/change-key.ts";
import { changeKey } from "../hierarchy/change-key.ts";
import { requireKeyState } from "../hierarchy/key-states.ts";
import type { KeyRecord } from "../hierarchy/records.ts";

/**
 * Enables or disables a key; a key that is in that state already stays as it is.
 * @throws Failure `key-pending-deletion`, `key-destroyed`, `key-changed`.
 */
export async function setKeyState(
  ports: ChangeKeyPorts,
  input: { readonly key: KeyRecord; readonly state: "enabled" | "disabled" },
): Promise<KeyRecord> {
  const { key, state } = input;
  requireKeyState(key, state === "enabled" ? "enable" : "disable");
  return key.state === state ? key : await changeKey(ports, key, { state });
}
