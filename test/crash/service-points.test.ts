import { afterAll, describe, expect, test } from "vitest";
import { SCRIPTS } from "../../packages/server/src/store/scripts.ts";
import { CALLS, KILLED_ELSEWHERE } from "./calls.ts";
import { CALLS_WITHOUT_A_POINT, PLACES_WITHOUT_A_CALL, POINTS, SCENARIOS_OF_ONE_CHANGE } from "./points.ts";
import { runPoint } from "./run-point.ts";
import { Templates } from "./templates.ts";

/** More than two batches, which some points tell apart. */
const templates = new Templates(220);
afterAll(() => templates[Symbol.dispose]());

test("every write of the store is among the calls at which the daemon is killed", () => {
  const writes = Object.entries(SCRIPTS).flatMap(([name, { kind }]) => (kind === "write" ? [name] : []));
  const calls = [...CALLS, ...Object.keys(KILLED_ELSEWHERE)].flatMap(
    (call) => /^store\.(\w+)/.exec(call)?.[1] ?? [],
  );
  expect([...new Set(calls)].toSorted()).toEqual(writes.toSorted());
});

test("every call of the ports that writes, wraps or commands is a point at which the daemon is killed", () => {
  expect(CALLS_WITHOUT_A_POINT).toEqual([]);
  expect(PLACES_WITHOUT_A_CALL).toEqual([]);
});

describe("a daemon that is killed here loses no key and goes on when its verb is repeated", () => {
  test.for(POINTS.filter(({ scenario }) => !SCENARIOS_OF_ONE_CHANGE.includes(scenario)))(
    "$name",
    { timeout: 180_000 },
    async (point) => {
      expect(await runPoint(templates, point)).toBe("hit");
    },
  );
});
