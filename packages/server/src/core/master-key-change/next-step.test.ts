import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  A,
  addressOf,
  AFTER,
  anyChange,
  anyFacts,
  B,
  BEFORE,
  C,
  changeIn,
  committed,
  facts,
  PURGE_APPROVED,
  reading,
  sweepOf,
  unitFact,
} from "../../../../../test/model/arbitrary-facts.ts";
import type { UnitAddress } from "../ids.ts";
import type { Change } from "./change.ts";
import type { Facts } from "./facts.ts";
import { serving, sideOf, swept } from "./facts.ts";
import type { Step } from "./next-step.ts";
import { nextStep } from "./next-step.ts";
import { mayAdvance } from "./transitions.ts";

const RUNS = { numRuns: 20_000 };

/**
 * For any change and any facts: the steps of that kind that do not hold to the rule, none of them if all is well. That
 * some facts lead to such a step is part of it: a rule about nothing is none.
 */
function breaches<Do extends Step["do"]>(
  wanted: Do,
  holds: (step: Extract<Step, { do: Do }>, change: Change, found: Facts) => boolean,
): readonly unknown[] {
  let seen = 0;
  const check = fc.check(
    fc.property(anyChange, anyFacts, (change, found) => {
      const step = nextStep(change, found);
      if (step.do !== wanted) return true;
      seen += 1;
      return holds(step as Extract<Step, { do: Do }>, change, found);
    }),
    RUNS,
  );
  if (seen === 0) return [`no facts led to ${wanted}`];
  return check.failed ? [check.seed, check.counterexample] : [];
}

const unitOf = (found: Facts, address: UnitAddress) => found.units.find((unit) => unit.address === address);
const isServing = (found: Facts, address: UnitAddress) => unitOf(found, address)?.state === "serving";

describe("the next step, whatever the facts", () => {
  test("an advance is a way of the table, and its facts are those that the state demands", () => {
    expect(
      breaches("advance", (step, change, found) => {
        if (!mayAdvance(change.state, step.event.name)) return false;
        const units = serving(found);
        switch (step.event.name) {
          case "staged": {
            const { to } = step.event;
            const named = change.expectedVp === undefined || to.startsWith(change.expectedVp);
            const equal = units.every(
              (unit) =>
                unit.reading?.CURRENT.vp === A &&
                unit.reading.NEW.state === "full committed" &&
                unit.reading.NEW.vp === to,
            );
            return units.length > 0 && equal && named;
          }
          case "ready":
            return found.rows.lacking === 0 && !change.paused;
          case "adopted":
            return (
              found.rows.lacking === 0 &&
              found.units.some((unit) => sideOf(change, unit) === "after" && unit.state !== "joining")
            );
          case "activated":
            return (
              units.length > 0 &&
              units.every((unit) => sideOf(change, unit) === "after") &&
              units.some((unit) => swept(found, unit.address)) &&
              found.units.every((unit) => unit.state !== "quarantined" || unit.decidedByPerson)
            );
          case "finalized":
            return found.rows.underFrom === 0;
          case "purged":
            return found.rows.keepingFrom === 0 && found.units.every((unit) => unit.reading?.OLD.vp !== A);
          case "canceled":
            return (
              found.rows.withTargetAsNext === 0 && found.units.every((unit) => unit.reading?.NEW.vp !== B)
            );
          case "reencipher":
          case "activate":
          case "finalize":
          case "cancel":
            return false; // a person's decision, never the runner's
        }
      }),
    ).toEqual([]);
  });

  test("while paused nothing is re-enciphered and nothing moves on", () => {
    fc.assert(
      fc.property(anyFacts, (found) => {
        const step = nextStep(changeIn("REENCIPHERING", { paused: true }), found);
        expect(["wait", "block", "quarantine"]).toContain(step.do);
      }),
      RUNS,
    );
  });

  test("a quarantine leaves a unit that serves, answers and can go on with the change", () => {
    expect(
      breaches("quarantine", (step, change, found) => {
        const left = serving(found).filter((unit) => unit.address !== step.unit && unit.reading);
        return (
          isServing(found, step.unit) && left.some((unit) => soundIn(change).includes(sideOf(change, unit)))
        );
      }),
    ).toEqual([]);
  });

  test("a unit that stands as the change needs it is not quarantined", () => {
    expect(
      breaches("quarantine", (step, change, found) => {
        const unit = unitOf(found, step.unit);
        if (!unit) return false;
        const side = sideOf(change, unit);
        if (side === "after") return found.rows.lacking > 0 || change.state === "CANCELING";
        return side === "foreign" || side === "lacks-target";
      }),
    ).toEqual([]);
  });

  test("a unit is activated only from ACTIVATING on, with the committed target, behind a canary on which every row opened", () => {
    expect(
      breaches("activate-unit", (step, change, found) => {
        const unit = unitOf(found, step.unit);
        if (unit?.state !== "serving" || sideOf(change, unit) !== "before") return false;
        if (change.state === "ACTIVATED" || isPurging(change)) return true; // it was proven when the others activated
        if (change.state !== "ACTIVATING") return false;
        const after = serving(found).filter((other) => sideOf(change, other) === "after");
        return after.length === 0 || after.some((other) => swept(found, other.address));
      }),
    ).toEqual([]);
  });

  test("only a unit that the service itself took out is readmitted, while units activate, with the target in CURRENT", () => {
    expect(
      breaches("readmit", (step, change, found) => {
        const unit = unitOf(found, step.unit);
        return (
          change.state === "ACTIVATING" &&
          unit?.state === "quarantined" &&
          !unit.decidedByPerson &&
          sideOf(change, unit) === "after"
        );
      }),
    ).toEqual([]);
  });

  test("NEW is cleared of the target of a change that is being canceled, and of nothing else", () => {
    expect(
      breaches("clear", (step, change, found) => {
        const held = unitOf(found, step.unit)?.reading;
        if (step.register === "NEW") return change.state === "CANCELING" && held?.NEW.vp === B;
        return isPurging(change) && held?.OLD.vp === A && openedEverywhere(change, found);
      }),
    ).toEqual([]);
  });

  test("old forms are dropped only when approved, and opened under the target on every serving unit", () => {
    expect(
      breaches("drop-old-forms", (_, change, found) => isPurging(change) && openedEverywhere(change, found)),
    ).toEqual([]);
  });

  test("second forms are dropped only while canceling, forms move only while finalizing", () => {
    expect(breaches("drop-next-forms", (_, change) => change.state === "CANCELING")).toEqual([]);
    expect(
      breaches(
        "finalize-rows",
        (_, change, found) => change.state === "FINALIZING" && found.rows.underFrom > 0,
      ),
    ).toEqual([]);
  });

  test("rows are opened on a serving unit with the target in CURRENT", () => {
    expect(
      breaches("sweep", (step, change, found) => {
        const unit = unitOf(found, step.unit);
        return unit?.state === "serving" && sideOf(change, unit) === "after";
      }),
    ).toEqual([]);
  });

  test("failed rows come only when no untried one is left", () => {
    expect(
      breaches("reencipher", (step, _, { rows, failedDue }) =>
        step.rows === "untried" ? rows.lacking > rows.failed : rows.lacking === rows.failed && failedDue,
      ),
    ).toEqual([]);
  });

  test("a change that is over does nothing more", () => {
    fc.assert(
      fc.property(fc.constantFrom("PURGED", "CANCELED"), anyFacts, (state, found) => {
        expect(nextStep(changeIn(state), found)).toEqual({ do: "wait" });
      }),
    );
  });

  test("the same facts give the same step", () => {
    fc.assert(
      fc.property(anyChange, anyFacts, (change, found) => {
        expect(nextStep(change, found)).toEqual(nextStep(change, structuredClone(found)));
      }),
    );
  });
});

function soundIn(change: Change): readonly string[] {
  return change.state === "CANCELING" ? ["before", "lacks-target"] : ["before", "after"];
}

function isPurging(change: Change): boolean {
  return (
    change.state === "DONE" && change.approval?.action === "purge" && change.approval.approvedBy !== undefined
  );
}

function openedEverywhere(change: Change, found: Facts): boolean {
  return serving(found).every((unit) => sideOf(change, unit) === "after" && swept(found, unit.address));
}

const activated = (i: number) => unitFact(i, { reading: AFTER });
const foreign = (i: number) => unitFact(i, { reading: reading({ CURRENT: C, OLD: A }) });

describe("the next step, case by case", () => {
  test("PLANNED waits while a unit has nothing in NEW, and is staged when all have the same", () => {
    const empty = unitFact(1, { reading: reading({ CURRENT: A }) });
    expect(nextStep(changeIn("PLANNED"), facts({ units: [empty, unitFact(2)] })).do).toBe("wait");
    expect(nextStep(changeIn("PLANNED"), facts())).toMatchObject({ event: { name: "staged", to: B } });
    const other = unitFact(1, { reading: reading({ CURRENT: A, NEW: committed(C) }) });
    expect(nextStep(changeIn("PLANNED"), facts({ units: [other, unitFact(2)] })).do).toBe("block");
  });

  test("a unit that was activated elsewhere is quarantined while rows are missing, and adopted when none is", () => {
    const units = [activated(1), unitFact(2)];
    const early = nextStep(changeIn("REENCIPHERING"), facts({ units, rows: { lacking: 4 } }));
    expect(early).toMatchObject({ do: "quarantine", unit: addressOf(1) });
    expect(nextStep(changeIn("READY"), facts({ units }))).toMatchObject({ event: { name: "adopted" } });
    const taken = [{ ...activated(1), state: "quarantined" as const, decidedByPerson: false }, unitFact(2)];
    expect(nextStep(changeIn("READY"), facts({ units: taken }))).toMatchObject({
      event: { name: "adopted" },
    });
    expect(nextStep(changeIn("ACTIVATING"), facts({ units: taken }))).toEqual({
      do: "readmit",
      unit: addressOf(1),
    });
  });

  test("a foreign unit is quarantined in every open state that has a target", () => {
    for (const state of [
      "STAGED",
      "REENCIPHERING",
      "READY",
      "ACTIVATING",
      "ACTIVATED",
      "FINALIZING",
    ] as const) {
      const rest = ["ACTIVATED", "FINALIZING"].includes(state) ? activated(2) : unitFact(2);
      const step = nextStep(changeIn(state), facts({ units: [foreign(1), rest] }));
      expect(step, state).toMatchObject({ do: "quarantine", unit: addressOf(1) });
    }
  });

  test("a unit that was activated while a change is being canceled does not serve on", () => {
    const step = nextStep(changeIn("CANCELING"), facts({ units: [activated(1), unitFact(2)] }));
    expect(step).toMatchObject({ do: "quarantine", unit: addressOf(1) });
  });

  test("the last unit that serves is never quarantined; the change is blocked", () => {
    for (const state of ["STAGED", "REENCIPHERING", "READY", "ACTIVATING", "ACTIVATED"] as const) {
      expect(nextStep(changeIn(state), facts({ units: [foreign(1)] })).do, state).toBe("block");
    }
  });

  test("READY with a unit that lost its NEW is blocked after that unit was taken out", () => {
    const lost = unitFact(1, { reading: reading({ CURRENT: A }) });
    const first = nextStep(changeIn("READY"), facts({ units: [lost, unitFact(2)] }));
    expect(first).toMatchObject({ do: "quarantine", unit: addressOf(1) });
    const out = { ...lost, state: "quarantined" as const, decidedByPerson: false };
    expect(nextStep(changeIn("READY"), facts({ units: [out, unitFact(2)] })).do).toBe("block");
  });

  test("the canary that was kept is activated first, then opened, then the others", () => {
    const change = changeIn("ACTIVATING", { canary: addressOf(2) });
    expect(nextStep(change, facts())).toEqual({ do: "activate-unit", unit: addressOf(2) });
    const units = [unitFact(1), activated(2), unitFact(3)];
    expect(nextStep(change, facts({ units }))).toEqual({ do: "sweep", unit: addressOf(2) });
    const proven = facts({ units, sweeps: [sweepOf(2)] });
    expect(nextStep(change, proven)).toEqual({ do: "activate-unit", unit: addressOf(1) });
  });

  test("rows that do not open on the canary keep the others from being activated", () => {
    const units = [activated(1), unitFact(2)];
    const found = facts({ units, sweeps: [sweepOf(1, { refused: [4] })] });
    expect(nextStep(changeIn("ACTIVATING"), found).do).toBe("block");
    expect(nextStep(changeIn("ACTIVATING"), { ...found, sweepDue: true }).do).toBe("sweep");
  });

  test("with more refused rows than are kept by number, a sweep waits instead of spinning", () => {
    const refused = Array.from({ length: 100 }, (_, i) => i + 1);
    const units = [activated(1), unitFact(2)];
    const found = facts({ units, sweeps: [sweepOf(1, { refused, complete: false })] });
    expect(nextStep(changeIn("ACTIVATING"), found).do).toBe("block");
    expect(nextStep(changeIn("ACTIVATING"), { ...found, sweepDue: true }).do).toBe("sweep");
  });

  test("a unit that is silent while the others activate keeps the change from being ACTIVATED", () => {
    const units = [activated(1), unitFact(2, { reading: undefined })];
    expect(nextStep(changeIn("ACTIVATING"), facts({ units, sweeps: [sweepOf(1)] })).do).toBe("block");
    const decided = [activated(1), unitFact(2, { reading: undefined, state: "quarantined" })];
    const step = nextStep(changeIn("ACTIVATING"), facts({ units: decided, sweeps: [sweepOf(1)] }));
    expect(step).toMatchObject({ event: { name: "activated" } });
  });

  test("ACTIVATING without a unit that holds the target says that the change can be canceled, with one it does not", () => {
    const lost = (i: number) => unitFact(i, { reading: reading({ CURRENT: A }) });
    const nowhere = nextStep(changeIn("ACTIVATING"), facts({ units: [lost(1), lost(2)] }));
    expect(nowhere).toMatchObject({ do: "block", reason: expect.stringContaining("cancel the change") });
    const somewhere = facts({ units: [activated(1), lost(2)], sweeps: [sweepOf(1)] });
    const step = nextStep(changeIn("ACTIVATING"), somewhere);
    expect(step).toMatchObject({ do: "block", reason: expect.not.stringContaining("cancel the change") });
  });

  test("FINALIZING is blocked by a row that has no form under the target", () => {
    const found = facts({ units: [activated(1)], rows: { underFrom: 1, withTargetAsNext: 0 } });
    expect(nextStep(changeIn("FINALIZING"), found).do).toBe("block");
  });

  test("DONE waits until a purge is approved, and then opens every row first", () => {
    const found = facts({
      units: [activated(1)],
      rows: { underFrom: 0, withTargetAsNext: 0, keepingFrom: 9 },
    });
    expect(nextStep(changeIn("DONE"), found).do).toBe("wait");
    expect(nextStep(changeIn("DONE", PURGE_APPROVED), found)).toEqual({ do: "sweep", unit: addressOf(1) });
    const opened = { ...found, sweeps: [sweepOf(1)] };
    expect(nextStep(changeIn("DONE", PURGE_APPROVED), opened).do).toBe("drop-old-forms");
  });

  test("canceling ends only when every unit answered or a person took it out", () => {
    const cleared = reading({ CURRENT: A });
    const rows = { withTargetAsNext: 0, lacking: 9 };
    const silent = [unitFact(1, { reading: cleared }), unitFact(2, { reading: undefined })];
    expect(nextStep(changeIn("CANCELING"), facts({ units: silent, rows })).do).toBe("block");
    const decided = [
      unitFact(1, { reading: cleared }),
      unitFact(2, { reading: undefined, state: "quarantined" }),
    ];
    expect(nextStep(changeIn("CANCELING"), facts({ units: decided, rows })).do).toBe("advance");
    expect(
      nextStep(changeIn("CANCELING"), facts({ units: [unitFact(1, { reading: BEFORE })], rows })),
    ).toEqual({
      do: "clear",
      unit: addressOf(1),
      register: "NEW",
    });
  });
});
