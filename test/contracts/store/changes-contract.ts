import { describe, expect, test } from "vitest";
import type { ChangeEvent } from "../../../packages/server/src/core/master-key-change/transitions.ts";
import { advance } from "../../../packages/server/src/core/master-key-change/transitions.ts";
import { A, B, changeIn } from "../../model/arbitrary-facts.ts";
import { changeId, SCOPE } from "./samples.ts";
import type { StoreRig } from "./store-rig.ts";

/** Fences and changes of state: what a transaction compares and counts before it moves. */
export function changesContract(rig: StoreRig): void {
  const {
    createRows,
    readKek,
    fence,
    read,
    openOne,
    move,
    transitionOf,
    goTo,
    order,
    reencipherAll,
    damage,
  } = rig;

  describe("changes of state", () => {
    test("a second change is refused with the other one, also while that is being purged", async () => {
      await createRows(1);
      const change = await openOne();
      const second = changeIn("PLANNED", { id: changeId(2) });
      expect(await rig.store.openChange({ change: second, note: "" })).toMatchObject({
        open: { id: change.id },
      });
      await goTo("staged", "reencipher");
      await reencipherAll();
      await goTo("ready", "activate", "activated", "finalize");
      await rig.store.finalizeRows({ ...(await order()), limit: 9 });
      await goTo("finalized");
      expect(await rig.store.openChange({ change: second, note: "" })).toBe("current-differs");
      const third = { ...second, from: B, restores: change.id };
      const approval = { action: "purge" as const, requestedBy: "a", requestedAtMs: 1, mac: "00" };
      const amend = (approvedBy: string | undefined) =>
        rig.store.amendChange({
          id: change.id,
          state: "DONE",
          amendment: { approval: { ...approval, approvedBy } },
          entry: undefined,
        });
      await amend("bob");
      expect(await rig.store.openChange({ change: third, note: "" })).toMatchObject({
        open: { id: change.id },
      });
      await amend(undefined);
      expect(await rig.store.openChange({ change: third, note: "" })).toBe("opened");
      expect(await amend("bob"), "a purge of what is being restored").toBe("moved");
    });

    test("a transition of a change that has moved does nothing", async () => {
      await openOne();
      const planned = await read();
      const before = await fence();
      const step = advance(planned, before, { name: "staged", to: B });
      const entry = { atMs: 9, state: step.state, by: "alice", note: "" };
      const input = { change: planned, generation: before.generation, advance: step, amendment: {}, entry };
      expect(await rig.store.transition({ ...input, generation: before.generation - 1 })).toBe("moved");
      expect(await rig.store.transition(input)).toBe("done");
      expect(await rig.store.transition(input)).toBe("moved");
      expect(await rig.store.transition({ ...input, generation: before.generation + 1 })).toBe("moved");
      expect((await fence()).generation).toBe(before.generation + 1);
      expect(await rig.store.readHistory({ id: planned.id })).toHaveLength(2);
    });

    test("of two transitions at the same time one is done", async () => {
      await openOne();
      await goTo("staged");
      const [reencipher, cancel] = [
        await transitionOf({ name: "reencipher" }),
        await transitionOf({ name: "cancel" }),
      ];
      const both = await Promise.all([rig.store.transition(reencipher), rig.store.transition(cancel)]);
      expect(new Set(both)).toEqual(new Set(["done", "moved"]));
    });

    test.each(["ready", "activate", "activated"] as const)(
      "%s counts rows without a form under the target, in its own transaction",
      async (name) => {
        await createRows(3);
        await openOne();
        await goTo("staged", "reencipher");
        await reencipherAll();
        const way = (["ready", "activate", "activated"] as const).slice(0);
        await goTo(...way.slice(0, way.indexOf(name)));
        await damage("UPDATE keks SET wrapped_new = NULL, mk_new = NULL WHERE n <= 2");
        const { generation } = await fence();
        expect(await move({ name })).toEqual({ left: 2 });
        expect((await fence()).generation).toBe(generation);
        expect((await rig.store.readHistory({ id: changeId(1) })).at(-1)?.note).not.toBe(name);
      },
    );

    test("finalized, canceled and purged count what they must leave none of", async () => {
      await createRows(3);
      await openOne();
      await goTo("staged", "reencipher");
      await reencipherAll();
      await goTo("cancel");
      expect(await move({ name: "canceled" })).toEqual({ left: 3 });
      expect(await rig.store.dropNextForms({ ...(await order()), limit: 2 })).toBe(2);
      expect(await rig.store.dropNextForms({ ...(await order()), limit: 2 })).toBe(1);
      await goTo("canceled");
      await openOne(2);
      const go = async (...events: ChangeEvent["name"][]): Promise<void> => {
        for (const name of events)
          expect(await move(name === "staged" ? { name, to: B } : { name }, changeId(2))).toBe("done");
      };
      await go("staged", "reencipher");
      await reencipherAll(changeId(2));
      await go("ready", "activate", "activated", "finalize");
      expect(await move({ name: "finalized" }, changeId(2))).toEqual({ left: 3 });
      expect(await rig.store.finalizeRows({ ...(await order(changeId(2))), limit: 2 })).toBe(2);
      expect(await move({ name: "finalized" }, changeId(2))).toEqual({ left: 1 });
      expect(await rig.store.finalizeRows({ ...(await order(changeId(2))), limit: 2 })).toBe(1);
      await go("finalized");
      expect(await move({ name: "purged" }, changeId(2))).toEqual({ left: 3 });
      const approved = {
        action: "purge" as const,
        requestedBy: "a",
        requestedAtMs: 1,
        approvedBy: "b",
        mac: "",
      };
      const amendment = { approval: approved };
      await rig.store.amendChange({ id: changeId(2), state: "DONE", amendment, entry: undefined });
      expect(await rig.store.dropOldForms({ ...(await order(changeId(2))), limit: 9 })).toBe(3);
      await go("purged");
      expect(await readKek(1)).toMatchObject({ wrapped: { vp: B }, wrappedOld: undefined });
    });

    test("an amendment of a change that has moved on is refused, and sets only what it names", async () => {
      await openOne(1, { freeze: "mutations", rowsPerSecond: 7 });
      const entry = { atMs: 3, state: "PLANNED" as const, by: "bob", note: "said" };
      const amend = { id: changeId(1), amendment: { paused: true, blockedReason: "why" }, entry };
      expect(await rig.store.amendChange({ ...amend, state: "STAGED" })).toBe("moved");
      expect(await rig.store.amendChange({ ...amend, state: "PLANNED" })).toBe("done");
      const clear = { blockedReason: undefined };
      await rig.store.amendChange({ id: changeId(1), state: "PLANNED", amendment: clear, entry: undefined });
      expect(await read()).toMatchObject({ paused: true, freeze: "mutations", rowsPerSecond: 7 });
      expect((await read()).blockedReason).toBeUndefined();
      expect((await rig.store.readHistory({ id: changeId(1) })).map(({ note }) => note)).toEqual([
        "opened",
        "said",
      ]);
    });

    test("a fence is created once", async () => {
      expect(await rig.store.createFence({ ...SCOPE, currentVp: B, atMs: 2 })).toBe("exists");
      expect(await fence()).toMatchObject({ currentVp: A, mustWrap: [A], generation: 1 });
    });

    test("changes are listed newest first, those that hold the fence by themselves", async () => {
      for (const i of [1, 2, 3]) {
        await openOne(i);
        if (i < 3) await move({ name: "cancel" }, changeId(i));
      }
      const first = await rig.store.listChanges({ limit: 2, after: undefined, openOnly: false });
      expect(first.items.map(({ id }) => id)).toEqual([changeId(3), changeId(2)]);
      const rest = await rig.store.listChanges({ limit: 2, after: first.next, openOnly: false });
      expect([rest.items.map(({ id }) => id), rest.next]).toEqual([[changeId(1)], undefined]);
      const open = await rig.store.listChanges({ limit: 9, after: undefined, openOnly: true });
      expect(open.items.map(({ id }) => id)).toEqual([changeId(3)]);
    });
  });
}
