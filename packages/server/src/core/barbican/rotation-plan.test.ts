import { describe, expect, test } from "vitest";
import type { CensusLine } from "./census.ts";
import type { ProjectKeyTarget } from "./project-key.ts";
import type { LabelFinding } from "./project-key-token.ts";
import { labelsOf, planRotation } from "./rotation-plan.ts";

const CONFIGURED: ProjectKeyTarget = {
  mkekLabel: "m1",
  hmacLabel: "h1",
  mechanism: "CKM_AES_CBC_PAD",
  generatesIv: true,
};
const TARGET: ProjectKeyTarget = {
  mkekLabel: "m2",
  hmacLabel: "h2",
  mechanism: "CKM_AES_KEY_WRAP_KWP",
  generatesIv: false,
};

const line = (rows: number, values: Partial<CensusLine> = {}): CensusLine => ({
  mkekLabel: "m1",
  hmacLabel: "h1",
  mechanism: "CKM_AES_CBC_PAD",
  state: "active",
  rows,
  ...values,
});
const NO_KEY = { mkekLabel: null, hmacLabel: null, mechanism: null } as const;
const CENSUS = [
  line(100),
  line(20, { state: "soft-deleted" }),
  // Under the labels of the target, but not yet by its mechanism.
  line(3, { mkekLabel: "m2", hmacLabel: "h2" }),
  line(7, { mkekLabel: "m2", hmacLabel: "h2", mechanism: "CKM_AES_KEY_WRAP_KWP" }),
  line(4, { ...NO_KEY, state: "unbound" }),
  line(2, { ...NO_KEY, state: "unreadable" }),
];

function plan(census: readonly CensusLine[], findings: readonly LabelFinding[], target = TARGET) {
  return planRotation({ census, target, configured: CONFIGURED, findings });
}

describe("the plan of a rotation", () => {
  test("is about the labels of the target and of the rows, each once", () => {
    expect(labelsOf(CENSUS, TARGET)).toEqual([
      { use: "mkek", label: "m2" },
      { use: "mkek", label: "m1" },
      { use: "hmac", label: "h2" },
      { use: "hmac", label: "h1" },
    ]);
  });

  test("counts what moves, what is there already, and what cannot come along", () => {
    const { rows, labels } = plan(CENSUS, ["found", "found", "found", "found"]);
    expect(rows).toEqual({ toMove: 123, already: 7, unbound: 4, unreadable: 2 });
    expect(labels.map(({ label, rows: named, isTarget }) => [label, named, isTarget])).toEqual([
      ["m2", 10, true],
      ["m1", 120, false],
      ["h2", 10, true],
      ["h1", 120, false],
    ]);
  });

  test("says what is in the way", () => {
    expect(plan(CENSUS, ["missing", "ambiguous", "found", "missing"]).inTheWay).toEqual([
      "The token has no MKEK labelled m2. It is the target.",
      "The token has more than one MKEK labelled m1. 120 rows name it, and would not come along.",
      "The token has no HMAC key labelled h1. 120 rows name it, and would not come along.",
      "2 rows cannot be read, and would not come along.",
    ]);
    expect(plan([line(1)], ["found", "found", "found", "found"]).inTheWay).toEqual([]);
  });

  test("warns of releases that cannot read the mechanism, where rows are to get it", () => {
    expect(plan(CENSUS, []).warnings).toEqual([expect.stringContaining("before 20.0.0")]);
    expect(plan([line(1, { mechanism: "CKM_AES_KEY_WRAP_KWP" })], []).warnings).toEqual([]);
    expect(plan(CENSUS, [], { ...CONFIGURED, mkekLabel: "m2" }).warnings).toEqual([]);
  });

  test("names the options of barbican.conf that are to be set, and no others", () => {
    expect(plan([], []).options).toEqual({
      mkek_label: "m2",
      hmac_label: "h2",
      key_wrap_mechanism: "CKM_AES_KEY_WRAP_KWP",
      key_wrap_generate_iv: "False",
    });
    expect(plan([], [], { ...CONFIGURED, mkekLabel: "m2" }).options).toEqual({ mkek_label: "m2" });
    expect(plan([], [], CONFIGURED).options).toEqual({});
  });
});
