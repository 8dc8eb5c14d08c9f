import type { Alarms } from "../core/ports/alarms.ts";
import type { Logger } from "./log.ts";

/** Alarms as log lines of level error, with the word that an alert rule can look for; `count` feeds the metrics. */
export function alarmLog(log: Logger, count: (alarm: string) => void): Alarms {
  return {
    raise: (what, detail) => {
      log.error({ alarm: what }, detail);
      count(what);
    },
  };
}
