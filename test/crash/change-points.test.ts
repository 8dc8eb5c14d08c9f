import { afterAll, describe, expect, test } from "vitest";
import { POINTS, SCENARIOS_OF_ONE_CHANGE } from "./points.ts";
import { runPoint } from "./run-point.ts";
import { Templates } from "./templates.ts";

/** More than two batches, which some points tell apart. */
const templates = new Templates(220);
afterAll(() => templates[Symbol.dispose]());

describe("a change that is killed here loses no key and goes on when its verb is repeated", () => {
  test.for(POINTS.filter(({ scenario }) => SCENARIOS_OF_ONE_CHANGE.includes(scenario)))(
    "$name",
    { timeout: 180_000 },
    async (point) => {
      expect(await runPoint(templates, point)).toBe("hit");
    },
  );
});
