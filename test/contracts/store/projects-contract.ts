import { describe, expect, test } from "vitest";
import type { KekId } from "../../../packages/server/src/core/ids.ts";
import { A, B, C } from "../../model/arbitrary-facts.ts";
import { refusal } from "../crypto-unit-contract.ts";
import { SCOPE, uuidOf } from "./samples.ts";
import type { StoreRig } from "./store-rig.ts";

/** Projects and their KEKs: rule 1 of the master-key change, names, pages. */
export function projectsContract(rig: StoreRig): void {
  const { create, createRows, readKek, openOne, goTo } = rig;

  describe("a KEK carries exactly what the fence demands, or is wrapped again (rule 1)", () => {
    test.each([
      ["nothing", []],
      ["another pattern", [B]],
      ["one too many", [A, B]],
      ["the same twice", [A, A]],
    ] as const)("before re-enciphering: %s is refused", async (_, vps) => {
      await openOne();
      await goTo("staged");
      expect(await create(1, vps)).toBe("fence-moved");
      expect(await rig.store.findProject({ ref: "project 1" })).toBeUndefined();
      expect(await create(1, [A])).toBe("created");
    });

    test.each([
      ["the old one alone", [A]],
      ["the target alone", [B]],
      ["one of them and a stranger", [A, C]],
      ["both and a stranger", [A, B, C]],
    ] as const)("while re-enciphering: %s is refused", async (_, vps) => {
      await openOne();
      await goTo("staged", "reencipher");
      expect(await create(1, vps)).toBe("fence-moved");
      expect(await create(1, [B, A])).toBe("created");
      expect(await readKek(1)).toMatchObject({ wrapped: { vp: A }, wrappedNew: { vp: B } });
    });

    test("after activation, and after a cancel, the other pattern is refused", async () => {
      await openOne();
      await goTo("staged", "reencipher", "ready", "activate", "activated");
      expect([await create(1, [A]), await create(1, [A, B]), await create(1, [B])]).toEqual([
        "fence-moved",
        "fence-moved",
        "created",
      ]);
      expect(await readKek(1)).toMatchObject({ wrapped: { vp: B }, wrappedNew: undefined });
    });

    test("what was wrapped for a change that is being canceled is refused", async () => {
      await openOne();
      await goTo("staged", "reencipher", "cancel");
      expect([await create(1, [A, B]), await create(1, [A])]).toEqual(["fence-moved", "created"]);
    });
  });

  describe("projects", () => {
    test("a project's name and id are unique, and a refused one leaves nothing", async () => {
      await create(1, [A], "one");
      expect(await create(2, [A], "one")).toBe("name-taken");
      expect(await create(1, [A], "two")).toBe("name-taken");
      expect(await rig.store.readKek({ kekId: uuidOf(3, 2) as KekId })).toBeUndefined();
      expect((await rig.store.findProject({ ref: uuidOf(2, 1) }))?.name).toBe("one");
      expect((await rig.store.census(SCOPE))[0]?.current).toBe(1);
    });

    test("pages follow one another without a gap, whatever is created meanwhile", async () => {
      await createRows(5);
      const seen: string[] = [];
      let after: string | undefined;
      do {
        const page = await rig.store.listProjects({ limit: 2, after });
        seen.push(...page.items.map(({ name }) => name));
        after = page.next;
        if (seen.length === 2) await createRows(1, 6);
      } while (after !== undefined);
      expect(seen).toEqual([1, 2, 3, 4, 5, 6].map((i) => `project ${i}`));
      expect(await refusal(rig.store.listProjects({ limit: 2, after: "x" }))).toBe("invalid-request");
    });
  });
}
