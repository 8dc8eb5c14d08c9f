import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isFailure } from "../errors.ts";
import type { Vp } from "../ids.ts";
import { DEFAULT_TYPE } from "../ids.ts";
import type { Filled, RegisterCommand, RegisterName, Registers } from "./registers.ts";
import { applyCommand, emptyRegisters, findByVp, importInto, readRegisters } from "./registers.ts";

type Regs = Registers<string>;
const NAMES: readonly RegisterName[] = ["NEW", "CURRENT", "OLD"];
const vpOf = (i: number): Vp => i.toString(16).padStart(64, "0") as Vp;
const keyOf = (i: number): Filled<string> => ({ vp: vpOf(i), pair: `pair ${i}` });
const shown = (regs: Regs, name: RegisterName): string => regs[name]?.vp ?? vpOf(99);

/** One thing that an officer may do; patterns are those of the registers, or wrong. */
type Act = {
  readonly verb: RegisterCommand["verb"] | "import";
  readonly wrong: boolean;
  readonly key: number;
};
const anyAct: fc.Arbitrary<Act> = fc.record({
  verb: fc.constantFrom("generate", "commit", "activate", "set-immediate", "clear", "recall-old", "import"),
  wrong: fc.boolean().map((wrong) => wrong),
  key: fc.nat({ max: 4 }),
});

function commandOf(regs: Regs, act: Act): RegisterCommand | undefined {
  const type = DEFAULT_TYPE;
  const vp = (name: RegisterName): string => (act.wrong && act.key === 0 ? vpOf(98) : shown(regs, name));
  switch (act.verb) {
    case "generate":
      return { type, verb: "generate" };
    case "commit":
    case "activate":
    case "set-immediate":
      return { type, verb: act.verb, vp: vp("NEW") };
    case "recall-old":
      return { type, verb: "recall-old", vp: vp("OLD") };
    case "clear": {
      const register = act.wrong ? "OLD" : "NEW";
      return { type, verb: "clear", register, vp: vp(register) };
    }
    case "import":
      return undefined;
  }
}

function act(regs: Regs, what: Act): Regs | "refused" {
  try {
    const command = commandOf(regs, what);
    if (command) return applyCommand(regs, command, () => keyOf(what.key));
    return importInto(regs, NAMES[what.key % 3] ?? "NEW", keyOf(what.key));
  } catch (error) {
    if (isFailure(error, "register-state", "register-pattern-mismatch")) return "refused";
    throw error;
  }
}

describe("registers, whatever is done to them", () => {
  const walk = (check: (before: Regs, what: Act, after: Regs) => void) =>
    fc.assert(
      fc.property(fc.array(anyAct, { maxLength: 40 }), (acts) => {
        let regs: Regs = emptyRegisters(DEFAULT_TYPE);
        for (const what of acts) {
          const before = structuredClone(regs);
          const after = act(regs, what);
          expect(regs).toEqual(before); // a command makes new registers, it does not change the old ones
          if (after === "refused") continue;
          check(regs, what, after);
          regs = after;
        }
      }),
      { numRuns: 2_000 },
    );

  test("CURRENT changes by activation, set-immediate and import into an empty one only", () => {
    walk((before, what, after) => {
      if (after.CURRENT === before.CURRENT) return;
      expect(["activate", "set-immediate", "import"]).toContain(what.verb);
      if (what.verb !== "activate") expect(before.CURRENT).toBeUndefined();
    });
  });

  test("activation moves a committed NEW to CURRENT and CURRENT to OLD, and nothing is lost but OLD", () => {
    walk((before, what, after) => {
      if (what.verb !== "activate") return;
      expect(before.NEW?.committed).toBe(true);
      expect([after.CURRENT?.vp, after.OLD?.vp, after.NEW]).toEqual([
        before.NEW?.vp,
        before.CURRENT?.vp,
        undefined,
      ]);
    });
  });

  test("a NEW is committed by commit alone", () => {
    expect.hasAssertions();
    walk((before, what, after) => {
      if (after.NEW?.committed && !before.NEW?.committed) expect(what.verb).toBe("commit");
    });
  });

  test("NEW equals neither CURRENT nor OLD, but OLD after a recall", () => {
    walk((before, what, after) => {
      if (!after.NEW || after.NEW.vp === before.NEW?.vp) return;
      expect(after.NEW.vp).not.toBe(after.CURRENT?.vp);
      if (what.verb !== "recall-old") expect(after.NEW.vp).not.toBe(after.OLD?.vp);
    });
  });

  test("a pair stays with its pattern", () => {
    expect.hasAssertions();
    walk((_, __, after) => {
      for (const name of NAMES) {
        const held = after[name];
        if (held) expect(held.pair).toBe(`pair ${Number.parseInt(held.vp, 16)}`);
      }
    });
  });

  test("a reading tells states and patterns, never pairs", () => {
    walk((_, __, after) => {
      const told = readRegisters(after);
      expect(JSON.stringify(told)).not.toContain("pair");
      expect(told.NEW.state === "empty").toBe(after.NEW === undefined);
      expect(told.CURRENT).toEqual({ state: after.CURRENT ? "valid" : "empty", vp: after.CURRENT?.vp });
    });
  });
});

describe("register commands", () => {
  const full: Regs = {
    type: DEFAULT_TYPE,
    NEW: { ...keyOf(3), committed: true },
    CURRENT: keyOf(2),
    OLD: keyOf(1),
  };
  const never = (): never => {
    throw new Error("asked for a fresh pair");
  };
  const refusal = (regs: Regs, command: RegisterCommand): string => {
    try {
      applyCommand(regs, command, never);
      return "done";
    } catch (error) {
      if (isFailure(error)) return error.code;
      throw error;
    }
  };

  test.each([
    ["commit", vpOf(9)],
    ["activate", vpOf(2)],
    ["activate", vpOf(3).slice(0, 31)],
    ["activate", ""],
    ["clear", vpOf(1)],
    ["recall-old", vpOf(3)],
  ] as const)("%s under a pattern that is not the register's (%s) is refused", (verb, vp) => {
    const regs = verb === "recall-old" ? { ...full, NEW: undefined } : full;
    const command = verb === "clear" ? { verb, register: "NEW" as const, vp } : { verb, vp };
    expect(refusal(regs, { type: DEFAULT_TYPE, ...command })).toBe("register-pattern-mismatch");
  });

  test("16 bytes of a pattern name it, in any case", () => {
    const regs = { ...full, NEW: { vp: "AB".repeat(32).toLowerCase() as Vp, pair: "p", committed: true } };
    const { CURRENT } = applyCommand(
      regs,
      { type: DEFAULT_TYPE, verb: "activate", vp: "AB".repeat(16) },
      never,
    );
    expect(CURRENT?.pair).toBe("p");
  });

  test("recall-old fills NEW from OLD, uncommitted, and leaves OLD", () => {
    const command = { type: DEFAULT_TYPE, verb: "recall-old", vp: vpOf(1) } as const;
    expect(refusal(full, command)).toBe("register-state");
    const { NEW, OLD } = applyCommand({ ...full, NEW: undefined }, command, never);
    expect([NEW?.vp, NEW?.committed, OLD?.vp]).toEqual([vpOf(1), false, vpOf(1)]);
  });

  test("recall-old is refused where CURRENT holds that very key", () => {
    const regs = { ...full, NEW: undefined, CURRENT: keyOf(1) };
    expect(refusal(regs, { type: DEFAULT_TYPE, verb: "recall-old", vp: vpOf(1) })).toBe("register-state");
  });

  test("a first master key is set, a further one activated", () => {
    const fresh: Regs = { ...full, CURRENT: undefined, OLD: undefined };
    expect(refusal(fresh, { type: DEFAULT_TYPE, verb: "activate", vp: vpOf(3) })).toBe("register-state");
    expect(refusal(full, { type: DEFAULT_TYPE, verb: "set-immediate", vp: vpOf(3) })).toBe("register-state");
  });

  test("an import may be repeated, and replaces nothing", () => {
    expect(importInto(full, "CURRENT", keyOf(2))).toBe(full);
    expect(() => importInto(full, "CURRENT", keyOf(5))).toThrow(/holds another/);
  });

  test("a pattern is looked for in the registers that are named, and no other", () => {
    expect(findByVp(full, vpOf(3), ["CURRENT", "OLD"])).toBeUndefined();
    expect(findByVp(full, vpOf(3), ["NEW"])).toBe("pair 3");
  });
});
