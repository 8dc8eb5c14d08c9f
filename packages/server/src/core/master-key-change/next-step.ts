import type { UnitAddress } from "../ids.ts";
import { shownVp } from "../ids.ts";
import type { Change } from "./change.ts";
import type { Facts, Side, UnitFact } from "./facts.ts";
import { describeRegister, serving, sideOf, swept } from "./facts.ts";
import { obstaclesToActivate, obstaclesToStage } from "./obstacles.ts";
import { REFUSED_LIMIT } from "./sweep-unit.ts";
import type { ChangeEvent } from "./transitions.ts";

/**
 * What a change does next, decided from the change as it is kept and the facts as they are now: nothing is remembered
 * between two steps, so a crash after any of them loses nothing. Every step may be repeated.
 */
export type Step =
  | { readonly do: "wait" }
  /** Wait, and say why. */
  | { readonly do: "block"; readonly reason: string }
  | { readonly do: "advance"; readonly event: ChangeEvent; readonly note: string }
  | { readonly do: "quarantine"; readonly unit: UnitAddress; readonly reason: string }
  | { readonly do: "readmit"; readonly unit: UnitAddress }
  | { readonly do: "reencipher"; readonly rows: "untried" | "failed" }
  | { readonly do: "activate-unit"; readonly unit: UnitAddress }
  /** Open every row under the target on a unit. */
  | { readonly do: "sweep"; readonly unit: UnitAddress }
  | { readonly do: "finalize-rows" }
  | { readonly do: "drop-next-forms" }
  | { readonly do: "drop-old-forms" }
  | { readonly do: "clear"; readonly unit: UnitAddress; readonly register: "NEW" | "OLD" };

/** Reason of a quarantine that ends by itself when the change adopts the activation. */
const ACTIVATED_ELSEWHERE = "it was activated outside the change";

export function nextStep(change: Change, facts: Facts): Step {
  switch (change.state) {
    case "PLANNED":
      return whilePlanned(change, facts);
    case "STAGED":
      return tendUnits(change, facts) ?? { do: "wait" };
    case "REENCIPHERING":
      return tendUnits(change, facts, "rows first") ?? whileReenciphering(change, facts);
    case "READY":
      return tendUnits(change, facts) ?? whileReady(change, facts);
    case "ACTIVATING":
      return expel(change, facts, ["before", "after"]) ?? whileActivating(change, facts);
    case "ACTIVATED":
      return expel(change, facts, ["after"]) ?? sweepServing(change, facts) ?? { do: "wait" };
    case "FINALIZING":
      return expel(change, facts, ["after"]) ?? whileFinalizing(facts);
    case "DONE":
      return change.approval?.action === "purge" && change.approval.approvedBy
        ? whilePurging(change, facts)
        : { do: "wait" };
    case "CANCELING":
      return expel(change, facts, ["before", "lacks-target"]) ?? whileCanceling(change, facts);
    case "PURGED":
    case "CANCELED":
      return { do: "wait" };
  }
}

function whilePlanned(change: Change, facts: Facts): Step {
  const [first] = obstaclesToStage(change.from, change.expectedVp, facts);
  const to = serving(facts)[0]?.reading?.NEW.vp;
  if (!first && to) {
    return { do: "advance", event: { name: "staged", to }, note: `target pinned: ${shownVp(to)}` };
  }
  const onlyWaits = serving(facts).some(
    (unit) => unit.reading && unit.reading.NEW.state !== "full committed",
  );
  return first && !onlyWaits ? { do: "block", reason: first.what } : { do: "wait" };
}

/**
 * Units that do not stand as the change needs them. One that activated elsewhere, or holds a foreign key, or lost the
 * target is taken out as long as another one serves: a wrong register must not be written with. Undefined: all well.
 */
function tendUnits(change: Change, facts: Facts, order?: "rows first"): Step | undefined {
  const units = serving(facts);
  const before = units.filter((unit) => sideOf(change, unit) === "before");
  for (const unit of units) {
    const side = sideOf(change, unit);
    if (side === "before" || side === "unreachable") continue;
    if (side === "after") {
      const complete = facts.rows.lacking === 0;
      if (!complete && before.length > 0)
        return { do: "quarantine", unit: unit.address, reason: ACTIVATED_ELSEWHERE };
      continue;
    }
    if (before.length > 0) return { do: "quarantine", unit: unit.address, reason: reasonOf(change, unit) };
    return { do: "block", reason: `unit ${unit.address}: ${reasonOf(change, unit)}` };
  }
  if (order === "rows first") return undefined;
  const alarmed = obstaclesToActivate(change, facts).find((obstacle) => obstacle.unit !== undefined);
  const adopting = facts.rows.lacking === 0 && isActivatedElsewhere(change, facts);
  return alarmed && !adopting ? { do: "block", reason: `${alarmed.what}: ${alarmed.advice}` } : undefined;
}

/** Whether a unit shows the target in CURRENT that serves, or that the service took out until the rows are complete. */
function isActivatedElsewhere(change: Change, facts: Facts): boolean {
  return facts.units.some(
    (unit) =>
      sideOf(change, unit) === "after" &&
      (unit.state === "serving" || (unit.state === "quarantined" && !unit.decidedByPerson)),
  );
}

/**
 * A unit whose CURRENT is not, or not any more, one that the change can use does not serve on: it is taken out as long
 * as a sound one serves, else the change waits.
 */
function expel(change: Change, facts: Facts, sound: readonly Side[]): Step | undefined {
  const units = serving(facts);
  const stranger = units.find((unit) => {
    const side = sideOf(change, unit);
    return side === "foreign" || (side === "after" && !sound.includes(side));
  });
  if (!stranger) return undefined;
  const reason = reasonOf(change, stranger);
  return units.some((unit) => sound.includes(sideOf(change, unit)))
    ? { do: "quarantine", unit: stranger.address, reason }
    : { do: "block", reason: `unit ${stranger.address}: ${reason}` };
}

function reasonOf(change: Change, unit: UnitFact): string {
  const { reading } = unit;
  if (!reading) return "it does not answer";
  if (sideOf(change, unit) === "after") return ACTIVATED_ELSEWHERE;
  return sideOf(change, unit) === "foreign"
    ? `CURRENT is ${describeRegister(reading.CURRENT)}, neither the master key that is left nor the target`
    : `NEW is ${describeRegister(reading.NEW)}, not the committed target`;
}

function whileReenciphering(change: Change, facts: Facts): Step {
  if (change.paused) return { do: "wait" };
  return (
    missingRows(facts) ?? {
      do: "advance",
      event: { name: "ready" },
      note: "every KEK has a verified form under the target",
    }
  );
}

function missingRows(facts: Facts): Step | undefined {
  const { lacking, failed } = facts.rows;
  if (lacking === 0) return undefined;
  if (lacking > failed) return { do: "reencipher", rows: "untried" };
  if (facts.failedDue) return { do: "reencipher", rows: "failed" };
  return {
    do: "block",
    reason: `${failed} KEKs could not be re-enciphered; \`claviger change show\` lists them; they are tried again`,
  };
}

function whileReady(change: Change, facts: Facts): Step {
  const missing = missingRows(facts);
  if (missing) return missing;
  if (isActivatedElsewhere(change, facts)) {
    return { do: "advance", event: { name: "adopted" }, note: "a unit was activated outside the change" };
  }
  return { do: "wait" };
}

function whileActivating(change: Change, facts: Facts): Step {
  const units = serving(facts);
  const elsewhere = facts.units.find(
    (unit) => unit.state === "quarantined" && !unit.decidedByPerson && sideOf(change, unit) === "after",
  );
  if (elsewhere) return { do: "readmit", unit: elsewhere.address };
  const after = units.filter((unit) => sideOf(change, unit) === "after");
  const before = units.filter((unit) => sideOf(change, unit) === "before");
  const odd = units.find((unit) => !after.includes(unit) && !before.includes(unit));

  const canary = units.find((unit) => unit.address === change.canary) ?? after[0] ?? before[0];
  if (after.length === 0) {
    const next = canary && before.includes(canary) ? canary : before[0];
    if (next) return { do: "activate-unit", unit: next.address };
  }
  const proven = after.find((unit) => swept(facts, unit.address));
  if (!proven) {
    const [unproven] = after;
    const sweep = unproven && sweepStep(facts, unproven);
    if (sweep) return sweep;
  } else {
    const [next] = before;
    if (next) return { do: "activate-unit", unit: next.address };
  }
  if (odd) {
    // Without a unit that has activated or still could, the way back is open (cancel-change.ts).
    const back = after.length === 0 ? ", or cancel the change" : "";
    return {
      do: "block",
      reason: `unit ${odd.address}: ${reasonOf(change, odd)}; bring it back, or quarantine it${back}`,
    };
  }
  const undecided = facts.units.find((unit) => unit.state === "quarantined" && !unit.decidedByPerson);
  if (undecided)
    return {
      do: "block",
      reason: `unit ${undecided.address} was quarantined by the service: bring it back and readmit it, or quarantine it yourself`,
    };
  if (after.length === 0) return { do: "block", reason: "no crypto unit serves" };
  return {
    do: "advance",
    event: { name: "activated" },
    note: "no serving unit has the master key that is left in CURRENT",
  };
}

/** The next unit on which rows are still to be opened; undefined when every serving unit has opened all. */
function sweepServing(change: Change, facts: Facts): Step | undefined {
  for (const unit of serving(facts)) {
    const side = sideOf(change, unit);
    if (side === "before") return { do: "activate-unit", unit: unit.address };
    if (side !== "after") {
      return { do: "block", reason: `unit ${unit.address}: ${reasonOf(change, unit)}` };
    }
    if (!swept(facts, unit.address)) return sweepStep(facts, unit);
  }
  return undefined;
}

function sweepStep(facts: Facts, unit: UnitFact): Step {
  const sweep = facts.sweeps.find((one) => one.unit === unit.address);
  const ended = sweep?.complete || (sweep && sweep.refused.length >= REFUSED_LIMIT);
  if (ended && sweep.refused.length > 0 && !facts.sweepDue) {
    return {
      do: "block",
      reason: `${sweep.refused.length} KEKs do not open under the target on unit ${unit.address}; they are repaired and tried again`,
    };
  }
  return { do: "sweep", unit: unit.address };
}

function whileFinalizing(facts: Facts): Step {
  const { underFrom, withTargetAsNext } = facts.rows;
  if (underFrom === 0)
    return {
      do: "advance",
      event: { name: "finalized" },
      note: "no KEK is in use under the master key that was left",
    };
  if (withTargetAsNext > 0) return { do: "finalize-rows" };
  return { do: "block", reason: `${underFrom} KEKs have no form under the target` };
}

function whilePurging(change: Change, facts: Facts): Step {
  const sweep = sweepServing(change, facts);
  if (sweep) return sweep;
  if (facts.rows.keepingFrom > 0) return { do: "drop-old-forms" };
  const holding = facts.units.find((unit) => unit.reading?.OLD.vp === change.from);
  if (holding) return { do: "clear", unit: holding.address, register: "OLD" };
  const silent = facts.units.find(
    (unit) => !unit.reading && !(unit.state === "quarantined" && unit.decidedByPerson),
  );
  if (silent)
    return { do: "block", reason: `unit ${silent.address} does not answer; its OLD cannot be cleared` };
  return { do: "advance", event: { name: "purged" }, note: "old forms deleted, OLD cleared" };
}

function whileCanceling(change: Change, facts: Facts): Step {
  if (facts.rows.withTargetAsNext > 0) return { do: "drop-next-forms" };
  const holding = facts.units.find(
    (unit) => unit.reading?.NEW.vp !== undefined && unit.reading.NEW.vp === change.to,
  );
  if (holding) return { do: "clear", unit: holding.address, register: "NEW" };
  const silent = facts.units.find(
    (unit) => !unit.reading && !(unit.state === "quarantined" && unit.decidedByPerson),
  );
  if (silent)
    return { do: "block", reason: `unit ${silent.address} does not answer; its NEW cannot be cleared` };
  return { do: "advance", event: { name: "canceled" }, note: "second forms dropped, NEW cleared" };
}
