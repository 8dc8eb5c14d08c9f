import { describe, expect, test } from "vitest";
import type { UnitAddress } from "../../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../../../packages/server/src/core/ids.ts";
import { addressOf } from "../../model/arbitrary-facts.ts";
import { present } from "../crypto-unit-contract.ts";
import { unit } from "./samples.ts";
import type { StoreRig } from "./store-rig.ts";

/** Units: membership, and the last one that serves. */
export function unitsContract(rig: StoreRig): void {
  const { addUnits } = rig;

  describe("units", () => {
    test("an address is taken once", async () => {
      await addUnits(1);
      expect(await rig.store.addUnit({ unit: unit(1, { group: DEFAULT_GROUP }) })).toBe("address-taken");
      expect(await rig.store.listUnits({})).toEqual([unit(1)]);
    });

    test("the last unit of a group that serves is neither taken out nor removed, whoever does it when", async () => {
      await addUnits(2);
      const take = (i: number) => {
        const decision = { state: "quarantined", reason: "", by: "bob" } as const;
        return rig.store.setUnitState({ address: addressOf(i), from: ["serving"], ...decision });
      };
      const both = await Promise.all([take(1), take(2)]);
      expect(both.toSorted()).toEqual(["done", "last-serving"]);
      const [left] = (await rig.store.listUnits({})).filter(({ state }) => state === "serving");
      const address: UnitAddress = present(left).address;
      expect(await rig.store.removeUnit({ address })).toBe("last-serving");
      expect(await take(1)).not.toBe("done");
    });

    test("the highest generation of each unit is kept, and forgotten with the unit", async () => {
      await addUnits(2);
      const noted = (i: number, generation: number) => ({
        unit: addressOf(i),
        type: DEFAULT_TYPE,
        generation,
      });
      for (const [i, generation] of [
        [1, 2],
        [2, 5],
        [1, 3],
        [1, 1],
      ] as const)
        await rig.store.noteGeneration(noted(i, generation));
      expect(await rig.store.listGenerations({})).toEqual([noted(1, 3), noted(2, 5)]);
      await rig.store.removeUnit({ address: addressOf(1) });
      expect(await rig.store.listGenerations({})).toEqual([noted(2, 5)]);
    });

    test("a unit's state changes only from where it is", async () => {
      await addUnits(2);
      const readmit = {
        address: addressOf(1),
        from: ["quarantined"],
        state: "serving",
        by: "bob",
      } as const;
      expect(await rig.store.setUnitState({ ...readmit, reason: undefined })).toBe("state-differs");
      const gone = { ...readmit, address: addressOf(9), reason: undefined };
      expect(await rig.store.setUnitState(gone)).toBe("state-differs");
    });
  });
}
