import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  A,
  addressOf,
  AFTER,
  anyFacts,
  B,
  C,
  changeIn,
  committed,
  facts,
  reading,
  unitFact,
} from "../../../../../test/model/arbitrary-facts.ts";
import { serving, sideOf } from "./facts.ts";
import { obstaclesToActivate, obstaclesToOpen, obstaclesToStage } from "./obstacles.ts";

const RUNS = { numRuns: 5_000 };

describe("what keeps a change from being opened", () => {
  test("nothing exactly when a unit serves and every one that does holds the group's key in CURRENT", () => {
    fc.assert(
      fc.property(anyFacts, (found) => {
        const units = serving(found);
        const fine = units.length > 0 && units.every((unit) => unit.reading?.CURRENT.vp === A);
        expect(obstaclesToOpen(A, found).length === 0).toBe(fine);
      }),
      RUNS,
    );
  });

  test("each unit in the way is named", () => {
    fc.assert(
      fc.property(anyFacts, (found) => {
        const wrong = serving(found).filter((unit) => unit.reading?.CURRENT.vp !== A);
        const named = obstaclesToOpen(A, found).flatMap(({ unit }) => (unit ? [unit] : []));
        expect(named).toEqual(wrong.map(({ address }) => address));
      }),
      RUNS,
    );
  });
});

describe("what keeps a change from being staged", () => {
  test("nothing exactly when all serving units hold one committed key, which is the expected one, in NEW", () => {
    fc.assert(
      fc.property(anyFacts, fc.constantFrom(undefined, B.slice(0, 32), C), (found, expected) => {
        const units = serving(found);
        const fresh = new Set(units.map((unit) => unit.reading?.NEW.vp));
        const [vp] = fresh;
        const fine =
          units.length > 0 &&
          units.every(
            (unit) => unit.reading?.CURRENT.vp === A && unit.reading.NEW.state === "full committed",
          ) &&
          fresh.size === 1 &&
          vp !== undefined &&
          (expected === undefined || vp.startsWith(expected));
        expect(obstaclesToStage(A, expected, found).length === 0).toBe(fine);
      }),
      RUNS,
    );
  });

  test("units that hold different keys are told apart by address and pattern", () => {
    const units = [unitFact(1), unitFact(2, { reading: reading({ CURRENT: A, NEW: committed(C) }) })];
    const [first] = obstaclesToStage(A, undefined, { units });
    expect(first?.what).toContain(`${addressOf(1)}: ${B.slice(0, 32)}`);
    expect(first?.what).toContain(`${addressOf(2)}: ${C.slice(0, 32)}`);
  });
});

describe("what keeps a change from being activated", () => {
  const change = changeIn("READY");

  test("a row without a form under the target and a group without units, which no approval passes", () => {
    fc.assert(
      fc.property(anyFacts, (found) => {
        const fixed = obstaclesToActivate(change, found).filter(({ overridable }) => !overridable);
        expect(fixed.length > 0).toBe(found.rows.lacking > 0 || serving(found).length === 0);
      }),
      RUNS,
    );
  });

  test("every unit that is silent, foreign, or lacks the target, unless a person has quarantined it", () => {
    fc.assert(
      fc.property(anyFacts, (found) => {
        const inTheWay = found.units.filter((unit) =>
          unit.state === "serving"
            ? !["before", "after"].includes(sideOf(change, unit))
            : unit.state === "quarantined" && !unit.decidedByPerson,
        );
        const named = obstaclesToActivate(change, found).flatMap(({ unit }) => (unit ? [unit] : []));
        expect([...named].sort()).toEqual(inTheWay.map(({ address }) => address).sort());
      }),
      RUNS,
    );
  });

  test("old forms under a pattern that activation would push out of OLD", () => {
    expect(obstaclesToActivate(change, facts({ keptPatterns: [C] }))).toMatchObject([{ overridable: true }]);
    expect(obstaclesToActivate(change, facts({ keptPatterns: [A, B] }))).toEqual([]);
  });

  test("a unit that has activated already is not in the way", () => {
    expect(obstaclesToActivate(change, facts({ units: [unitFact(1, { reading: AFTER })] }))).toEqual([]);
  });

  test("a group in which no unit serves cannot be activated, whoever approves", () => {
    const units = [unitFact(1, { state: "quarantined" })];
    expect(obstaclesToActivate(change, facts({ units }))).toMatchObject([{ overridable: false }]);
  });
});
