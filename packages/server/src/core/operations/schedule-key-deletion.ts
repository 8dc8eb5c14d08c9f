import type { Clock } from "../clock.ts";
import { Failure } from "../errors.ts";
import type { ChangeKeyPorts } from "../hierarchy/change-key.ts";
import { changeKey } from "../hierarchy/change-key.ts";
import { requireKeyState } from "../hierarchy/key-states.ts";
import type { KeyRecord } from "../hierarchy/records.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";

/** The waiting time before a key is destroyed, in days: what AWS KMS allows, and takes when nothing is said. */
const DELETION_WINDOW_DAYS = { least: 7, most: 30, usual: 30 } as const;

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Schedules the destruction of a key. From now on nothing is done with it; until the time has come the deletion may be
 * canceled. A key that waits already keeps its date: to move it, cancel first.
 * @throws Failure `invalid-request` for a waiting time out of bounds, `key-pending-deletion`, `key-destroyed`,
 * `key-changed`.
 */
export async function scheduleKeyDeletion(
  ports: ChangeKeyPorts & { readonly clock: Clock; readonly materials: OpenedMaterials },
  input: { readonly key: KeyRecord; readonly days?: number | undefined },
): Promise<KeyRecord> {
  const { key, days = DELETION_WINDOW_DAYS.usual } = input;
  const { least, most } = DELETION_WINDOW_DAYS;
  if (!Number.isInteger(days) || days < least || days > most) {
    throw new Failure("invalid-request", `the waiting time is ${least} to ${most} days`, { field: "days" });
  }
  requireKeyState(key, "schedule-deletion");
  const deletionDueMs = ports.clock.nowMs() + days * DAY_MS;
  const scheduled = await changeKey(ports, key, { state: "pending-deletion", deletionDueMs });
  ports.materials.dropKey(key.id);
  return scheduled;
}
