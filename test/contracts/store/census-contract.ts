import { describe, expect, test } from "vitest";
import type { Vp } from "../../../packages/server/src/core/ids.ts";
import { A, B } from "../../model/arbitrary-facts.ts";
import { changeId, claimAs, rewrapped, rowsOf, SCOPE } from "./samples.ts";
import type { StoreRig } from "./store-rig.ts";

/** What is counted, the proof of a change. */
export function censusContract(rig: StoreRig): void {
  const { createRows, openOne, goTo, order, reencipherAll } = rig;

  describe("the census", () => {
    test("sums every form of every row, at every point of a change", async () => {
      await createRows(5);
      await openOne();
      await goTo("staged", "reencipher");
      const work = await order();
      const rows = rowsOf(await rig.store.claimRows({ ...work, ...claimAs("w", { limit: 3 }) }));
      await rig.store.commitRows({ ...work, outcomes: rewrapped(rows), nowMs: 1, next: undefined });
      const line = (vp: Vp, current: number, next: number, previous: number) => ({
        vp,
        current,
        next,
        previous,
      });
      expect(await rig.store.census(SCOPE)).toEqual([line(A, 5, 0, 0), line(B, 0, 3, 0)]);
      const progress = { ...SCOPE, changeId: changeId(1), from: A, to: B };
      expect(await rig.store.countProgress(progress)).toEqual({
        keks: 5,
        lacking: 2,
        failed: 0,
        underFrom: 5,
        withTargetAsNext: 3,
        keepingFrom: 0,
      });
      await rig.store.dropLeases({});
      await reencipherAll();
      await goTo("ready", "activate", "activated", "finalize");
      await rig.store.finalizeRows({ ...(await order()), limit: 4 });
      expect(await rig.store.census(SCOPE)).toEqual([line(A, 1, 0, 4), line(B, 4, 1, 0)]);
      const counted = await rig.store.countProgress(progress);
      expect(counted).toMatchObject({ lacking: 0, underFrom: 1, withTargetAsNext: 1, keepingFrom: 4 });
    });

    test("remembers every pattern there ever was", async () => {
      await openOne();
      await goTo("staged", "cancel", "canceled");
      expect((await rig.store.listPatterns(SCOPE)).map(({ vp }) => vp)).toEqual([A, B]);
    });

    test("a sample is spread over all rows", async () => {
      await createRows(30);
      const sample = await rig.store.sampleRows({ ...SCOPE, limit: 10 });
      expect(sample.length).toBeGreaterThan(5);
      expect(Math.max(...sample.map(({ n }) => n))).toBeGreaterThan(20);
      expect(sample.every(({ vp }) => vp === A)).toBe(true);
    });
  });
}
