import { randomInt } from "node:crypto";
import { afterAll, describe, expect, test } from "vitest";
import { killAtRandom } from "./kill-at-random.ts";
import { Templates } from "./templates.ts";

const templates = new Templates(300);
afterAll(() => templates[Symbol.dispose]());

/** `CRASH_SEED=… npx vitest run test/crash/random-kills.test.ts` runs the same moments again, as far as a machine can. */
const seed = Number(process.env["CRASH_SEED"] ?? randomInt(2 ** 31));

describe(`seed ${seed}`, () => {
  test.for([1, 2, 3, 4, 5, 6])(
    "a kill in the midst of the store's transactions, or anywhere, loses no key (%i)",
    { timeout: 180_000 },
    async (round) => {
      await expect(killAtRandom(templates, seed + round)).resolves.toBeUndefined();
    },
  );
});
