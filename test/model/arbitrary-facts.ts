import { CHANGE_STATES } from "@claviger/api";
import fc from "fast-check";
import type { ChangeId, UnitAddress, Vp } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../../packages/server/src/core/ids.ts";
import type { Change, ChangeState, Fence } from "../../packages/server/src/core/master-key-change/change.ts";
import type { Facts, UnitFact } from "../../packages/server/src/core/master-key-change/facts.ts";
import type { RowProgress, Sweep } from "../../packages/server/src/core/ports/change-store.ts";
import type { RegisterReading } from "../../packages/server/src/core/unit/registers.ts";

/** Changes, fences and facts for tests of the pure core: three patterns, of which `C` is no part of the change. */
export const A = "a".repeat(64) as Vp;
export const B = "b".repeat(64) as Vp;
export const C = "c".repeat(64) as Vp;
export const CHANGE_ID = "00000000-0000-4000-8000-000000000001" as ChangeId;

export const STATES: readonly ChangeState[] = CHANGE_STATES;

export function addressOf(i: number): UnitAddress {
  return `01.000${i}` as UnitAddress;
}

/** A change from A to B. */
export function changeIn(state: ChangeState, over: Partial<Change> = {}): Change {
  return {
    id: CHANGE_ID,
    group: DEFAULT_GROUP,
    type: DEFAULT_TYPE,
    state,
    from: A,
    to: state === "PLANNED" ? undefined : B,
    expectedVp: undefined,
    restores: undefined,
    openedBy: "alice",
    openedAtMs: 1,
    paused: false,
    freeze: "none",
    rowsPerSecond: undefined,
    canary: undefined,
    blockedReason: undefined,
    approval: undefined,
    ...over,
  };
}

export const PURGE_APPROVED: Partial<Change> = {
  approval: { action: "purge", requestedBy: "alice", requestedAtMs: 1, approvedBy: "bob", mac: "00" },
};

/** The fence of a change from A to B as §1 and §3 of the design have it in that state. */
export function fenceIn(state: ChangeState, over: Partial<Fence> = {}): Fence {
  const both = ["REENCIPHERING", "READY", "ACTIVATING"].includes(state);
  const after = ["ACTIVATED", "FINALIZING", "DONE", "PURGED"].includes(state);
  const open = !["DONE", "PURGED", "CANCELED"].includes(state);
  return {
    group: DEFAULT_GROUP,
    type: DEFAULT_TYPE,
    generation: 7,
    currentVp: after ? B : A,
    targetVp: open && state !== "PLANNED" ? B : undefined,
    mustWrap: both ? [A, B] : after ? [B] : [A],
    frozen: false,
    openChange: open ? CHANGE_ID : undefined,
    ...over,
  };
}

export function reading(over: {
  readonly NEW?: RegisterReading["NEW"];
  readonly CURRENT?: Vp;
  readonly OLD?: Vp;
}): RegisterReading {
  const held = (vp: Vp | undefined) => ({ state: vp ? ("valid" as const) : ("empty" as const), vp });
  return {
    type: DEFAULT_TYPE,
    NEW: over.NEW ?? { state: "empty", vp: undefined },
    CURRENT: held(over.CURRENT),
    OLD: held(over.OLD),
  };
}

export const committed = (vp: Vp): RegisterReading["NEW"] => ({ state: "full committed", vp });
/** As a unit stands before and after it has activated. */
export const BEFORE = reading({ CURRENT: A, NEW: committed(B) });
export const AFTER = reading({ CURRENT: B, OLD: A });

export function unitFact(i: number, over: Partial<UnitFact> = {}): UnitFact {
  return { address: addressOf(i), state: "serving", decidedByPerson: true, reading: BEFORE, ...over };
}

export function sweepOf(i: number, over: Partial<Sweep> = {}): Sweep {
  return { unit: addressOf(i), cursor: 9, opened: 9, refused: [], complete: true, ...over };
}

const NO_ROWS_LEFT: RowProgress = {
  keks: 9,
  lacking: 0,
  failed: 0,
  underFrom: 9,
  withTargetAsNext: 9,
  keepingFrom: 0,
};

/** Three units before activation, nine rows, every one with both forms; `over` says what differs. */
export function facts(
  over: Partial<Omit<Facts, "rows">> & { readonly rows?: Partial<RowProgress> } = {},
): Facts {
  return {
    units: [unitFact(1), unitFact(2), unitFact(3)],
    sweeps: [],
    failedDue: false,
    sweepDue: false,
    keptPatterns: [],
    ...over,
    rows: { ...NO_ROWS_LEFT, ...over.rows },
  };
}

const anyVp = fc.constantFrom(A, B, C);
const anyReading: fc.Arbitrary<RegisterReading> = fc.oneof(
  { weight: 3, arbitrary: fc.constant(BEFORE) },
  { weight: 3, arbitrary: fc.constant(AFTER) },
  {
    weight: 3,
    arbitrary: fc
      .record({
        fresh: fc.option(
          fc.record({ state: fc.constantFrom("full uncommitted", "full committed"), vp: anyVp } as const),
          { nil: undefined },
        ),
        current: fc.option(anyVp, { nil: undefined }),
        old: fc.option(anyVp, { nil: undefined }),
      })
      .map(({ fresh, current, old }) =>
        reading({
          ...(fresh && { NEW: fresh }),
          ...(current && { CURRENT: current }),
          ...(old && { OLD: old }),
        }),
      ),
  },
);

const anyUnits: fc.Arbitrary<readonly UnitFact[]> = fc
  .array(
    fc.record({
      state: fc.oneof(
        { weight: 4, arbitrary: fc.constant("serving" as const) },
        { weight: 1, arbitrary: fc.constantFrom("joining", "quarantined", "leaving") },
      ),
      decidedByPerson: fc.boolean(),
      reading: fc.option(anyReading, { nil: undefined, freq: 6 }),
    } as const),
    { maxLength: 4 },
  )
  .map((units) => units.map((unit, i) => ({ ...unit, address: addressOf(i + 1) })));

const few = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 9 }) });
const anyRows: fc.Arbitrary<RowProgress> = fc
  .record({ lacking: few, failed: few, underFrom: few, withTargetAsNext: few, keepingFrom: few })
  .map((rows) => ({ keks: 9, ...rows, failed: Math.min(rows.failed, rows.lacking) }));

const anySweeps: fc.Arbitrary<readonly Sweep[]> = fc
  .array(
    fc.option(
      fc.record({
        cursor: few,
        opened: few,
        complete: fc.boolean(),
        refused: fc.oneof(fc.constant([]), fc.array(fc.nat({ max: 9 }), { maxLength: 2 })),
      }),
      { nil: undefined },
    ),
    { maxLength: 4 },
  )
  .map((sweeps) => sweeps.flatMap((sweep, i) => (sweep ? [{ ...sweep, unit: addressOf(i + 1) }] : [])));

export const anyFacts: fc.Arbitrary<Facts> = fc.record({
  units: anyUnits,
  rows: anyRows,
  sweeps: anySweeps,
  failedDue: fc.boolean(),
  sweepDue: fc.boolean(),
  keptPatterns: fc.subarray([A, B, C]),
});

export const anyChange: fc.Arbitrary<Change> = fc
  .record({
    state: fc.constantFrom(...STATES),
    paused: fc.boolean(),
    canary: fc.option(fc.constantFrom(addressOf(1), addressOf(2)), { nil: undefined }),
    expectedVp: fc.option(fc.constantFrom(B.slice(0, 32), C.slice(0, 32)), { nil: undefined }),
    approval: fc.option(
      fc.record({
        action: fc.constantFrom("purge", "override"),
        requestedBy: fc.constant("alice"),
        requestedAtMs: fc.constant(1),
        approvedBy: fc.option(fc.constant("bob"), { nil: undefined }),
        mac: fc.constant("00"),
      } as const),
      { nil: undefined },
    ),
  })
  .map(({ state, ...over }) => changeIn(state, over));
