import type { Logger } from "./log.ts";
import type { Alarms } from "../core/ports/alarms.ts";

/** Alarms as log lines of level error, with the word that an alert rule can look for. */
export function alarmLog(log: Logger): Alarms {
  return { raise: (what, detail) => log.error({ alarm: what }, detail) };
}
