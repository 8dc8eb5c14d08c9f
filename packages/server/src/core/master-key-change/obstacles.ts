import type { UnitAddress, Vp } from "../ids.ts";
import { namesVp, shownVp } from "../ids.ts";
import type { Change } from "./change.ts";
import type { Facts, UnitFact } from "./facts.ts";
import { describeRegister, serving, sideOf } from "./facts.ts";

/** Something that stands in the way of a step, named so that an operator can remove it. */
export interface Obstacle {
  readonly what: string;
  readonly advice: string;
  readonly unit: UnitAddress | undefined;
  /** Whether activation may pass it with a second principal's approval. */
  readonly overridable: boolean;
}

/** What keeps a change from being opened for a group whose CURRENT should be `from`. */
export function obstaclesToOpen(from: Vp, facts: Pick<Facts, "units">): readonly Obstacle[] {
  const found: Obstacle[] = [];
  if (serving(facts).length === 0)
    found.push(obstacle("no crypto unit serves", "bring one back or readmit one"));
  for (const unit of serving(facts)) {
    if (!unit.reading) found.push(unreachable(unit));
    else if (unit.reading.CURRENT.vp !== from) {
      found.push(
        obstacle(
          `CURRENT of unit ${unit.address} is ${describeRegister(unit.reading.CURRENT)}, not ${shownVp(from)}`,
          "copy the group's master key to it, or quarantine it",
          unit,
        ),
      );
    }
  }
  return found;
}

/** What keeps a change from being STAGED: every serving unit needs the same committed key in NEW. */
export function obstaclesToStage(
  from: Vp,
  expectedVp: string | undefined,
  facts: Pick<Facts, "units">,
): readonly Obstacle[] {
  const found = [...obstaclesToOpen(from, facts)];
  const patterns = new Map<Vp, UnitAddress>();
  for (const unit of serving(facts)) {
    const fresh = unit.reading?.NEW;
    if (!fresh) continue;
    if (fresh.state !== "full committed" || !fresh.vp) {
      const verb = fresh.state === "empty" ? "generate or copy a master key into it" : "commit it";
      found.push(obstacle(`NEW of unit ${unit.address} is ${describeRegister(fresh)}`, verb, unit));
    } else patterns.set(fresh.vp, unit.address);
  }
  for (const [vp, address] of patterns) {
    if (expectedVp !== undefined && !namesVp(expectedVp, vp)) {
      found.push(
        obstacle(
          `NEW of unit ${address} holds ${shownVp(vp)}, not the pattern that was expected`,
          "clear it and load the right one",
        ),
      );
    }
  }
  if (patterns.size > 1) {
    const all = [...patterns].map(([vp, address]) => `${address}: ${shownVp(vp)}`).join(", ");
    found.push(
      obstacle(
        `the units hold different keys in NEW (${all})`,
        "clear NEW on all but one and copy it from there",
      ),
    );
  }
  return found;
}

/** What keeps a change from being activated. A unit that a person quarantined is not in the way. */
export function obstaclesToActivate(change: Change, facts: Facts): readonly Obstacle[] {
  const found: Obstacle[] = [];
  if (facts.rows.lacking > 0) {
    found.push(
      obstacle(
        `${facts.rows.lacking} KEKs lack a verified form under the target`,
        "let re-enciphering finish",
      ),
    );
  }
  if (serving(facts).length === 0)
    found.push(obstacle("no crypto unit serves", "bring one back or readmit one"));
  for (const unit of facts.units) {
    if (unit.state === "quarantined" && !unit.decidedByPerson) {
      found.push({
        ...obstacle(
          `unit ${unit.address} was quarantined by the service`,
          "bring it back and readmit it, or quarantine it yourself to go on without it",
          unit,
        ),
        overridable: true,
      });
    }
  }
  for (const unit of serving(facts)) {
    const side = sideOf(change, unit);
    if (side === "before" || side === "after") continue;
    const what =
      side === "unreachable"
        ? unreachable(unit)
        : obstacle(
            side === "foreign"
              ? `CURRENT of unit ${unit.address} is ${describeRegister(unit.reading?.CURRENT ?? { state: "unknown", vp: undefined })}`
              : `NEW of unit ${unit.address} does not hold the committed target`,
            "copy the target to it and commit it, or quarantine it",
            unit,
          );
    found.push({ ...what, overridable: true });
  }
  for (const vp of facts.keptPatterns) {
    if (vp === change.to || vp === change.from) continue;
    found.push({
      ...obstacle(
        `forms of KEKs from before an earlier change are kept under ${shownVp(vp)}, which activation would push out of OLD`,
        "purge the earlier change first",
      ),
      overridable: true,
    });
  }
  return found;
}

function unreachable(unit: UnitFact): Obstacle {
  return obstacle(`unit ${unit.address} does not answer`, "bring it back, or quarantine it", unit);
}

function obstacle(what: string, advice: string, unit?: UnitFact): Obstacle {
  return { what, advice, unit: unit?.address, overridable: false };
}
