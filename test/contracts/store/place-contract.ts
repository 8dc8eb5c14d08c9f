import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { refusal } from "../crypto-unit-contract.ts";
import { SCOPE } from "./samples.ts";
import type { StoreRig } from "./store-rig.ts";

/** The place where it is kept: opened again, of a newer release, no database at all. */
export function placeContract(rig: StoreRig): void {
  const { createRows, damage, openOne, read, reopen } = rig;

  /** A failure to open as a rejection. */
  const opening = async (open: () => unknown): Promise<void> => {
    await open();
    await rig.close();
  };

  describe("the place where it is kept", () => {
    test("holds everything when it is opened again, and migrations are done once", async () => {
      await createRows(2);
      await openOne();
      await rig.close();
      await reopen();
      expect(await rig.store.census(SCOPE)).toMatchObject([{ current: 2 }]);
      expect((await read()).state).toBe("PLANNED");
    });

    test("of a newer release is refused, and left as it is", async () => {
      await createRows(1);
      await rig.close();
      await damage("INSERT INTO schema_migrations (id, name) VALUES (9999, 'of the future')");
      expect(await refusal(opening(reopen))).toBe("store-newer");
      await damage("DELETE FROM schema_migrations WHERE id = 9999");
      await reopen();
      expect(await rig.store.census(SCOPE)).toMatchObject([{ current: 1 }]);
    });

    test("that holds something else is refused, and left as it is", async () => {
      const other = join(rig.folder, "other");
      const read = await rig.misuse(other);
      const before = await read();
      expect(await refusal(opening(() => rig.open(other)))).toBe("store-damaged");
      expect(await read()).toEqual(before);
    });
  });
}
