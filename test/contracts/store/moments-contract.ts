import { describe, expect, test } from "vitest";
import type { RollbackMark } from "../../../packages/server/src/core/ports/rollback-store.ts";
import { B, CHANGE_ID, changeIn } from "../../model/arbitrary-facts.ts";
import { unit } from "./samples.ts";
import type { StoreRig } from "./store-rig.ts";
import { advance } from "../../../packages/server/src/core/master-key-change/transitions.ts";
import { present } from "../crypto-unit-contract.ts";

const RECORD = { atMs: 1, operation: "unit.added", outcome: "allowed" } as const;

const mark = (i: number): RollbackMark => ({
  id: `00000009-0000-4000-8000-00000000000${i}`,
  state: "standing",
  reason: `found ${i}`,
  asOfMs: undefined,
  markedAtMs: i,
});

/** How far a store has come, which is anchored, and the marks of one that is found to be older. */
export function momentsContract(rig: StoreRig): void {
  const moment = () => rig.store.readMoment({});
  const add = (i: number) => rig.store.addUnit({ unit: unit(i), audit: RECORD });

  describe("how far it has come", () => {
    test("each mutation that takes effect and leaves a record counts, and no other", async () => {
      expect(await moment()).toEqual({ epoch: 0, mutations: 0, generations: { "default WK": 1 } });
      expect(await add(1)).toBe("added");
      expect(await add(1)).toBe("address-taken");
      expect(await rig.store.addUnit({ unit: unit(2) })).toBe("added");
      expect((await moment()).mutations).toBe(1);
      await Promise.all([3, 4, 5, 6].map(add));
      expect((await moment()).mutations).toBe(5);
    });

    test("what is dropped from the outbox has counted all the same", async () => {
      await add(1);
      const rows = await rig.store.listOutbox({ after: 0, limit: 10 });
      await rig.store.dropOutbox({ ids: rows.map(({ id }) => id) });
      await add(2);
      expect((await moment()).mutations).toBe(2);
    });

    test("a change moves the generation of its fence", async () => {
      await rig.store.openChange({ change: changeIn("PLANNED"), note: "" });
      const change = present(await rig.store.readChange({ id: CHANGE_ID }));
      const fence = await rig.fence();
      const step = advance(change, fence, { name: "staged", to: B });
      const entry = { atMs: 1, state: step.state, by: "alice", note: "" };
      const { generation } = fence;
      await rig.store.transition({ change, generation, advance: step, amendment: {}, entry });
      expect((await moment()).generations).toEqual({ "default WK": 3 });
    });
  });

  describe("a store that is found to be older", () => {
    test("is marked once for each reason, and written no more", async () => {
      expect(await rig.store.markRollback({ mark: mark(1) })).toBe("marked");
      expect(await rig.store.markRollback({ mark: { ...mark(2), reason: "found 1" } })).toBe("standing");
      expect(await rig.store.markRollback({ mark: mark(3) })).toBe("marked");
      expect(await rig.store.readRollback({})).toEqual(mark(1));
      await expect(add(1)).rejects.toMatchObject({ code: "store-rolled-back" });
    });

    test("begins the epoch when it is accepted, and none when there was nothing to accept", async () => {
      await rig.store.acceptRollback({ by: "alice", atMs: 8, epoch: 7 });
      expect((await moment()).epoch).toBe(0);
      for (const i of [1, 2]) await rig.store.markRollback({ mark: mark(i) });
      const accepted = await rig.store.acceptRollback({ by: "alice", atMs: 9, epoch: 7 });
      expect(accepted).toEqual([1, 2].map((i) => ({ ...mark(i), state: "accepted" })));
      expect((await moment()).epoch).toBe(7);
      await add(1);
      expect(await moment()).toMatchObject({ epoch: 7, mutations: 1 });
      await rig.store.markRollback({ mark: mark(4) });
      await rig.store.acceptRollback({ by: "bob", atMs: 9, epoch: 8 });
      expect(await moment()).toMatchObject({ epoch: 8, mutations: 1 });
    });
  });
}
