import { beforeEach, describe, expect, test } from "vitest";
import type { Vp } from "../../../packages/server/src/core/ids.ts";
import type { ClaimRequest, RewrapRow } from "../../../packages/server/src/core/ports/change-store.ts";
import { A, B, C } from "../../model/arbitrary-facts.ts";
import { present } from "../crypto-unit-contract.ts";
import { blobOf, changeId, claimAs, numbers, refused, rewrapped, rowsOf, SCOPE } from "./samples.ts";
import type { StoreRig } from "./store-rig.ts";

/** Work on KEK rows: rules 2 and 3 of the master-key change. */
export function rewrapContract(rig: StoreRig): void {
  const { createRows, readKek, fence, openOne, move, goTo, order, reencipherAll } = rig;

  describe("a late worker writes nothing (rule 2)", () => {
    const claimTwo = async () => {
      await createRows(4);
      await openOne();
      await goTo("staged", "reencipher");
      const work = await order();
      return { work, rows: rowsOf(await rig.store.claimRows({ ...work, ...claimAs("w") })) };
    };
    const bothForms = async (): Promise<readonly (Vp | undefined)[]> => {
      const forms = [];
      for (const i of [1, 2, 3, 4]) forms.push((await readKek(i)).wrappedNew?.vp);
      return forms;
    };

    test("of a canceled change", async () => {
      const { work, rows } = await claimTwo();
      await goTo("cancel");
      const next = claimAs("w");
      expect(await rig.store.commitRows({ ...work, outcomes: rewrapped(rows), nowMs: 1, next })).toBe(
        "moved",
      );
      expect(await rig.store.claimRows({ ...work, ...next })).toBe("moved");
      const late = { ...work, generation: (await fence()).generation };
      expect(await rig.store.commitRows({ ...late, outcomes: rewrapped(rows), nowMs: 1, next })).toBe(
        "moved",
      );
      expect(await bothForms()).toEqual([undefined, undefined, undefined, undefined]);
    });

    test("of an older change, when another with the same target is open, though it names the new generation", async () => {
      const { work, rows } = await claimTwo();
      await goTo("cancel", "canceled");
      await openOne(2);
      expect(await move({ name: "staged", to: B }, changeId(2))).toBe("done");
      expect(await move({ name: "reencipher" }, changeId(2))).toBe("done");
      const outcomes = rewrapped(rows);
      for (const generation of [work.generation, (await fence()).generation]) {
        const late = { changeId: changeId(1), generation, outcomes, nowMs: 1, next: undefined };
        expect(await rig.store.commitRows(late)).toBe("moved");
      }
      const older = {
        changeId: changeId(2),
        generation: work.generation,
        outcomes,
        nowMs: 1,
        next: undefined,
      };
      expect(await rig.store.commitRows(older)).toBe("moved");
      expect(await bothForms()).toEqual([undefined, undefined, undefined, undefined]);
    });

    test("of an earlier generation of the same change", async () => {
      const { work, rows } = await claimTwo();
      await rig.store.dropLeases({});
      await reencipherAll();
      await goTo("ready");
      const late = { ...work, outcomes: rewrapped(rows), nowMs: 1, next: undefined };
      expect(await rig.store.commitRows(late)).toBe("moved");
    });

    test("over a row that another worker wrote meanwhile, but keeps what is still its own", async () => {
      const { work, rows } = await claimTwo();
      const [first] = rows;
      await rig.store.commitRows({
        ...work,
        outcomes: rewrapped([present(first)]),
        nowMs: 1,
        next: undefined,
      });
      const outcomes = rows.map(({ n, rowVersion }) => ({
        n,
        rowVersion,
        outcome: { blob: blobOf(C, n) },
      }));
      const late = await rig.store.commitRows({ ...work, outcomes, nowMs: 1, next: undefined });
      expect(late).toMatchObject({ written: 1 });
      expect((await readKek(1)).wrappedNew?.blob).toEqual(blobOf(B, 1));
      expect((await readKek(2)).wrappedNew?.blob).toEqual(blobOf(C, 2));
    });

    test("a failure of a row that was done meanwhile is not noted", async () => {
      const { work, rows } = await claimTwo();
      await rig.store.commitRows({ ...work, outcomes: rewrapped(rows), nowMs: 1, next: undefined });
      await rig.store.commitRows({ ...work, outcomes: refused(rows), nowMs: 2, next: undefined });
      expect(await rig.store.listFailedRows({ changeId: changeId(1), limit: 9 })).toEqual([]);
    });

    test("forms are moved, dropped and purged only in the state, generation and change that say so", async () => {
      await createRows(2);
      await openOne();
      await goTo("staged", "reencipher");
      await reencipherAll();
      const batches = async (generation?: number) => {
        const work = { ...(await order()), ...(generation !== undefined && { generation }), limit: 9 };
        return [
          await rig.store.finalizeRows(work),
          await rig.store.dropNextForms(work),
          await rig.store.dropOldForms(work),
        ];
      };
      const nothing = ["moved", "moved", "moved"];
      expect(await batches()).toEqual(nothing);
      await goTo("ready");
      expect(await batches()).toEqual(nothing);
      await goTo("activate", "activated");
      expect(await batches()).toEqual(nothing);
      await goTo("finalize");
      expect(await batches((await fence()).generation - 1)).toEqual(nothing);
      expect(await batches()).toEqual([2, "moved", "moved"]);
      await goTo("finalized");
      expect(await batches()).toEqual(nothing); // a purge that nobody has approved
      expect((await readKek(1)).wrappedOld?.vp).toBe(A);
    });
  });

  describe("workers take rows by predicate (rule 3)", () => {
    beforeEach(async () => {
      await createRows(6);
      await openOne();
      await goTo("staged", "reencipher");
    });

    test("two workers never hold the same row, and nothing is left out", async () => {
      const work = await order();
      const owners = ["a", "b", "c"];
      const held = new Map<string, readonly RewrapRow[]>();
      const seen: number[] = [];
      for (let turn = 0; turn < 12; turn++) {
        const owner = present(owners[turn % 3]);
        const mine = held.get(owner) ?? [];
        const next = claimAs(owner);
        const claimed = await rig.store.commitRows({
          ...work,
          outcomes: rewrapped(mine),
          nowMs: 1_000,
          next,
        });
        const rows = rowsOf(claimed);
        const others = [...held].filter(([name]) => name !== owner).flatMap(([, theirs]) => theirs);
        for (const { n } of rows) expect(others.map((row) => row.n)).not.toContain(n);
        held.set(owner, rows);
        seen.push(...rows.map(({ n }) => n));
      }
      expect(seen.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
      expect(
        (await rig.store.countProgress({ ...SCOPE, changeId: changeId(1), from: A, to: B })).lacking,
      ).toBe(0);
    });

    test("the rows of a lease that has run out come back, those of one that holds do not", async () => {
      const work = await order();
      expect(numbers(await rig.store.claimRows({ ...work, ...claimAs("dead", { limit: 3 }) }))).toEqual([
        1, 2, 3,
      ]);
      const soon = claimAs("other", { limit: 9, nowMs: 1_499 });
      expect(numbers(await rig.store.claimRows({ ...work, ...soon }))).toEqual([4, 5, 6]);
      const later = claimAs("third", { limit: 9, nowMs: 9_999 });
      expect(numbers(await rig.store.claimRows({ ...work, ...later }))).toEqual([1, 2, 3, 4, 5, 6]);
    });

    test("at a start all leases are dropped", async () => {
      const work = await order();
      await rig.store.claimRows({ ...work, ...claimAs("dead", { limit: 9 }) });
      await rig.store.dropLeases({});
      expect(numbers(await rig.store.claimRows({ ...work, ...claimAs("new", { limit: 9 }) }))).toHaveLength(
        6,
      );
    });

    test("failed rows come only when they are asked for, those with the fewest attempts first", async () => {
      const work = await order();
      const fail = async (ns: readonly number[], which: ClaimRequest["which"]): Promise<void> => {
        const rows = rowsOf(await rig.store.claimRows({ ...work, ...claimAs("w", { limit: 9, which }) }));
        const mine = rows.filter(({ n }) => ns.includes(n));
        await rig.store.commitRows({ ...work, outcomes: refused(mine), nowMs: 50, next: undefined });
      };
      await fail([1, 2, 3], { rows: "untried" });
      await fail([1], { rows: "failed", failedBeforeMs: 60 });
      await fail([1, 2], { rows: "failed", failedBeforeMs: 60 });
      await rig.store.dropLeases({});
      const untried = await rig.store.claimRows({ ...work, ...claimAs("v", { limit: 9 }) });
      expect(numbers(untried)).toEqual([4, 5, 6]);
      const failed = { rows: "failed", failedBeforeMs: 60 } as const;
      const again = await rig.store.claimRows({ ...work, ...claimAs("x", { limit: 9, which: failed }) });
      expect(numbers(again)).toEqual([3, 2, 1]);
      const early = { rows: "failed", failedBeforeMs: 49 } as const;
      expect(numbers(await rig.store.claimRows({ ...work, ...claimAs("x", { which: early }) }))).toEqual([]);
      const listed = await rig.store.listFailedRows({ changeId: changeId(1), limit: 9 });
      expect(listed.map(({ attempt, reason }) => [attempt, reason])).toEqual([
        [3, "mac-mismatch"],
        [2, "mac-mismatch"],
        [1, "mac-mismatch"],
      ]);
    });

    test("a row that is done is no longer a failed one, and one that failed in an earlier change is untried", async () => {
      const work = await order();
      const rows = rowsOf(await rig.store.claimRows({ ...work, ...claimAs("w", { limit: 6 }) }));
      const next = claimAs("w", { which: { rows: "failed", failedBeforeMs: 99 } });
      const failed = rowsOf(await rig.store.commitRows({ ...work, outcomes: refused(rows), nowMs: 5, next }));
      await rig.store.commitRows({ ...work, outcomes: rewrapped(failed), nowMs: 6, next: undefined });
      expect(await rig.store.listFailedRows({ changeId: changeId(1), limit: 9 })).toHaveLength(4);
      await goTo("cancel");
      await rig.store.dropNextForms({ ...(await order()), limit: 99 });
      await goTo("canceled");
      await openOne(2);
      await move({ name: "staged", to: B }, changeId(2));
      await move({ name: "reencipher" }, changeId(2));
      const anew = { ...(await order(changeId(2))), ...claimAs("n", { limit: 9 }) };
      expect(numbers(await rig.store.claimRows(anew))).toHaveLength(6);
    });

    test("a form left from elsewhere does not count as one under the target", async () => {
      const work = await order();
      const rows = rowsOf(await rig.store.claimRows({ ...work, ...claimAs("w", { limit: 6 }) }));
      await rig.store.commitRows({
        ...work,
        outcomes: rewrapped(rows.slice(0, 5)),
        nowMs: 5,
        next: undefined,
      });
      expect(numbers(await rig.store.claimRows({ ...work, ...claimAs("w", { limit: 9 }) }))).toEqual([6]);
    });
  });
}
