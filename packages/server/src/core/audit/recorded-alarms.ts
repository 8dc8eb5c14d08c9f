import type { Clock } from "../clock.ts";
import type { AlarmName, Alarms } from "../ports/alarms.ts";
import type { AuditLog } from "../ports/audit-log.ts";
import { author } from "./acting.ts";

/** Alarms of the machine, which may come every second, and are no event of keys, units or changes. */
const NOT_RECORDED: ReadonlySet<AlarmName> = new Set<AlarmName>(["runner-failed", "audit-log"]);

/** Alarms that are also recorded, as soon as the log can be written: a row that was refused, a unit that was taken out. */
export function recordedAlarms(
  alarms: Alarms,
  ports: { log: Pick<AuditLog, "appendLater">; clock: Clock },
): Alarms {
  return {
    raise: (what, detail) => {
      alarms.raise(what, detail);
      if (NOT_RECORDED.has(what)) return;
      const by = author("alarm");
      ports.log.appendLater({
        ...by,
        operation: `alarm.${what}`,
        note: detail,
        atMs: ports.clock.nowMs(),
        outcome: "alarm",
      });
    },
  };
}
