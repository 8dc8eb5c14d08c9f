import type { UnitAddress, Vp } from "../ids.ts";
import { shownVp } from "../ids.ts";
import type { UnitState } from "../ports/store.ts";
import type { RowProgress, Sweep } from "../ports/change-store.ts";
import type { RegisterReading } from "../unit/registers.ts";
import type { Change } from "./change.ts";

/** A unit of the group as a decision sees it. */
export interface UnitFact {
  readonly address: UnitAddress;
  readonly state: UnitState;
  /** Whether a person, not the service itself, put it into its state. */
  readonly decidedByPerson: boolean;
  /** Undefined while the unit does not answer. */
  readonly reading: RegisterReading | undefined;
}

/** Registers and rows, read afresh: the truth on which every step of a change is decided. */
export interface Facts {
  readonly units: readonly UnitFact[];
  readonly rows: RowProgress;
  readonly sweeps: readonly Sweep[];
  /** Rows that failed and whose turn to be tried again has come. */
  readonly failedDue: boolean;
  /** Rows that a sweep could not open are to be tried again. */
  readonly sweepDue: boolean;
  /** Rows keep an old form under a pattern that is only in OLD, by that pattern. */
  readonly keptPatterns: readonly Vp[];
}

export function serving(facts: Pick<Facts, "units">): readonly UnitFact[] {
  return facts.units.filter((unit) => unit.state === "serving");
}

/** How a serving unit stands to a change with a pinned target. */
export type Side =
  | "unreachable"
  /** CURRENT = from, NEW = committed target. */
  | "before"
  /** CURRENT = from, but NEW is not the committed target. */
  | "lacks-target"
  /** CURRENT = target. */
  | "after"
  /** CURRENT is neither. */
  | "foreign";

export function sideOf(change: Change, unit: UnitFact): Side {
  const { reading } = unit;
  if (!reading) return "unreachable";
  if (reading.CURRENT.vp === change.to) return "after";
  if (reading.CURRENT.vp !== change.from) return "foreign";
  return reading.NEW.state === "full committed" && reading.NEW.vp === change.to ? "before" : "lacks-target";
}

/** Whether a sweep has opened every row there was on that unit. */
export function swept(facts: Pick<Facts, "sweeps">, address: UnitAddress): boolean {
  return facts.sweeps.some((sweep) => sweep.unit === address && sweep.complete && sweep.refused.length === 0);
}

export function describeRegister(register: { readonly state: string; readonly vp: Vp | undefined }): string {
  return register.vp ? `${register.state}, ${shownVp(register.vp)}` : register.state;
}
