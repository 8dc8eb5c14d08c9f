import { describe, expect, test } from "vitest";
import { A, B, addressOf } from "../../model/arbitrary-facts.ts";
import { blobOf, changeId, claimAs, rewrapped, rowsOf, SCOPE } from "./samples.ts";
import type { StoreRig } from "./store-rig.ts";

/** Sweeps: what was opened on which unit. */
export function sweepsContract(rig: StoreRig): void {
  const { createRows, openOne, goTo, order, addUnits } = rig;

  describe("sweeps", () => {
    test("give rows in order with their form under the pattern, and name those that have none", async () => {
      await createRows(5);
      await openOne();
      await goTo("staged", "reencipher");
      const work = await order();
      const rows = rowsOf(await rig.store.claimRows({ ...work, ...claimAs("w", { limit: 3 }) }));
      await rig.store.commitRows({ ...work, outcomes: rewrapped(rows), nowMs: 1, next: undefined });
      const ask = { ...SCOPE, vp: B, after: 1, only: undefined, limit: 3 };
      const found = await rig.store.readSweepRows(ask);
      expect(found.rows.map(({ n, blob }) => [n, [...blob]])).toEqual(
        [2, 3].map((n) => [n, [...blobOf(B, n)]]),
      );
      expect([found.lacking, found.last]).toEqual([[4], 4]);
      const only = await rig.store.readSweepRows({ ...ask, after: 0, only: [5, 1], limit: 9 });
      expect([only.rows.map(({ n }) => n), only.lacking]).toEqual([[1], [5]]);
      expect(await rig.store.readSweepRows({ ...ask, after: 5 })).toEqual({ rows: [], lacking: [], last: 5 });
      expect((await rig.store.readSweepRows({ ...ask, vp: A, after: 0 })).rows).toHaveLength(3);
    });

    test("are kept, replaced, and forgotten with their unit", async () => {
      await addUnits(2);
      const sweep = { unit: addressOf(1), cursor: 3, opened: 2, refused: [2], complete: false };
      await rig.store.writeSweep({ changeId: changeId(1), sweep });
      await rig.store.writeSweep({ changeId: changeId(1), sweep: { ...sweep, cursor: 9, refused: [] } });
      await rig.store.writeSweep({ changeId: changeId(1), sweep: { ...sweep, unit: addressOf(2) } });
      expect(await rig.store.readSweeps({ changeId: changeId(1) })).toMatchObject([
        { cursor: 9 },
        { cursor: 3 },
      ]);
      expect(await rig.store.readSweeps({ changeId: changeId(2) })).toEqual([]);
      await rig.store.removeUnit({ address: addressOf(1) });
      expect(await rig.store.readSweeps({ changeId: changeId(1) })).toMatchObject([{ unit: addressOf(2) }]);
    });
  });
}
