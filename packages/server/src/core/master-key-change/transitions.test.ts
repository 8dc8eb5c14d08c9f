import { describe, expect, test } from "vitest";
import { A, B, changeIn, fenceIn, STATES } from "../../../../../test/model/arbitrary-facts.ts";
import { isFailure } from "../errors.ts";
import type { ChangeState } from "./change.ts";
import type { ChangeEvent, MustBeNone } from "./transitions.ts";
import { advance, mayAdvance, OPEN_STATES } from "./transitions.ts";

/** The table of the design, written a second time: event, from, to, and what is counted in the same transaction. */
const WAYS: readonly (readonly [ChangeEvent["name"], ChangeState, ChangeState, MustBeNone | undefined])[] = [
  ["staged", "PLANNED", "STAGED", undefined],
  ["cancel", "PLANNED", "CANCELED", undefined],
  ["reencipher", "STAGED", "REENCIPHERING", undefined],
  ["cancel", "STAGED", "CANCELING", undefined],
  ["ready", "REENCIPHERING", "READY", "rows-lacking-target"],
  ["cancel", "REENCIPHERING", "CANCELING", undefined],
  ["activate", "READY", "ACTIVATING", "rows-lacking-target"],
  ["adopted", "READY", "ACTIVATING", "rows-lacking-target"],
  ["cancel", "READY", "CANCELING", undefined],
  ["activated", "ACTIVATING", "ACTIVATED", "rows-lacking-target"],
  ["cancel", "ACTIVATING", "CANCELING", undefined],
  ["finalize", "ACTIVATED", "FINALIZING", undefined],
  ["finalized", "FINALIZING", "DONE", "rows-under-from"],
  ["purged", "DONE", "PURGED", "rows-keeping-from"],
  ["canceled", "CANCELING", "CANCELED", "rows-with-target-as-next"],
];

const EVENTS = [...new Set(WAYS.map(([name]) => name))];
const eventOf = (name: ChangeEvent["name"]): ChangeEvent => (name === "staged" ? { name, to: B } : { name });
const wayOf = (state: ChangeState, name: ChangeEvent["name"]) =>
  WAYS.find(([event, from]) => event === name && from === state);

describe("the states of a change", () => {
  test("every event leads where the design says, from every state, and is refused everywhere else", () => {
    for (const state of STATES) {
      for (const name of EVENTS) {
        const way = wayOf(state, name);
        expect(mayAdvance(state, name), `${state} ${name}`).toBe(way !== undefined);
        if (way) {
          const step = advance(changeIn(state), fenceIn(state), eventOf(name));
          expect([step.state, step.mustBeNone], `${state} ${name}`).toEqual([way[2], way[3]]);
        } else expect(refusedAs(state, name), `${state} ${name}`).toContain(state);
      }
    }
  });

  test("a refusal names the state, the change and who opened it", () => {
    expect(refusedAs("ACTIVATED", "cancel")).toMatch(/0{7}1 is ACTIVATED, opened by alice/);
  });

  test("the fence after every event is that of the state it leads to", () => {
    for (const [name, from, to] of WAYS) {
      const { fence } = advance(changeIn(from), fenceIn(from), eventOf(name));
      const { group: _, type: __, generation: ___, ...expected } = fenceIn(to);
      expect(fence, `${from} ${name}`).toEqual(expected);
    }
  });

  test("from re-enciphering until no unit serves with the old key, a new KEK carries both", () => {
    const both = STATES.filter((state) => fenceIn(state).mustWrap.length === 2);
    expect(both).toEqual(["REENCIPHERING", "READY", "ACTIVATING"]);
    expect(advance(changeIn("STAGED"), fenceIn("STAGED"), { name: "reencipher" }).fence.mustWrap).toEqual([
      A,
      B,
    ]);
  });

  test("mutations are frozen while re-enciphering only, and only where the change asks for it", () => {
    const freezing = { freeze: "mutations" as const };
    for (const [name, from, to] of WAYS) {
      const before = fenceIn(from, { frozen: from === "REENCIPHERING" });
      const { fence } = advance(changeIn(from, freezing), before, eventOf(name));
      expect(fence.frozen, `${from} ${name}`).toBe(to === "REENCIPHERING");
    }
    expect(advance(changeIn("STAGED"), fenceIn("STAGED"), { name: "reencipher" }).fence.frozen).toBe(false);
  });

  test("the target is pinned once, when the change is staged", () => {
    for (const [name, from] of WAYS) {
      const step = advance(changeIn(from), fenceIn(from), eventOf(name));
      expect(step.to, `${from} ${name}`).toBe(from === "PLANNED" && name === "cancel" ? undefined : B);
    }
  });

  test("a change never goes on without a pinned target", () => {
    const lost = changeIn("STAGED", { to: undefined });
    expect(() => advance(lost, fenceIn("STAGED"), { name: "reencipher" })).toThrow(/pinned target/);
  });

  test("purging leaves the fence of whatever change came later alone", () => {
    const later = fenceIn("PLANNED", { currentVp: B, mustWrap: [B], generation: 20 });
    const { fence } = advance(changeIn("DONE"), later, { name: "purged" });
    expect(fence).toEqual({
      currentVp: B,
      targetVp: undefined,
      mustWrap: [B],
      frozen: false,
      openChange: later.openChange,
    });
  });

  test("a change holds its fence in exactly the states from which something of it is left to do", () => {
    expect([...OPEN_STATES].sort()).toEqual(
      STATES.filter((state) => fenceIn(state).openChange !== undefined).sort(),
    );
  });
});

function refusedAs(state: ChangeState, name: ChangeEvent["name"]): string {
  try {
    advance(changeIn(state), fenceIn(state), eventOf(name));
  } catch (error) {
    if (isFailure(error, "change-state")) return error.message;
    throw error;
  }
  return "not refused";
}
