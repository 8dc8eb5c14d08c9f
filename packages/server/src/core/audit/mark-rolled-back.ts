import type { Clock } from "../clock.ts";
import { uuid } from "../crypto/random.ts";
import type { Alarms } from "../ports/alarms.ts";
import type { RollbackStore } from "../ports/rollback-store.ts";

/** Makes the service read-only, because the database was `reason`: "found older than …". */
export async function markRolledBack(
  ports: {
    readonly store: Pick<RollbackStore, "markRollback">;
    readonly alarms: Alarms;
    readonly clock: Clock;
  },
  reason: string,
): Promise<void> {
  const { store, alarms, clock } = ports;
  const end = "it is read-only until somebody has accepted that with `claviger store accept-rollback`";
  alarms.raise("anchor-missing", `the database was ${reason}; ${end}`);
  const mark = { id: uuid(), state: "standing" as const, reason, asOfMs: undefined };
  await store.markRollback({ mark: { ...mark, markedAtMs: clock.nowMs() } });
}
