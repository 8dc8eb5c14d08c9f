/** PORT: what an operator has to hear of. Each raises a counter and a log line; none may throw. */
export interface Alarms {
  /** `what` is a stable word with hyphens; `detail` names units, rows and patterns, never secrets. */
  raise(what: AlarmName, detail: string): void;
}

export type AlarmName =
  | "record-not-vouched"
  | "kek-not-opened"
  | "unit-quarantined"
  | "unit-differs"
  | "change-blocked"
  | "rows-refused"
  | "destruction-failed"
  | "backup-failed"
  | "runner-failed"
  | "audit-log"
  | "anchor-missing"
  | "anchor-not-kept";
