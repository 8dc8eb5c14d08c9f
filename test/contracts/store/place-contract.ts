import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { refusal } from "../crypto-unit-contract.ts";
import { SCOPE } from "./samples.ts";
import type { StoreRig } from "./store-rig.ts";

/** The place where it is kept: opened again, of a newer release, no database at all. */
export function placeContract(rig: StoreRig): void {
  const { createRows, damage, openOne, read, reopen } = rig;

  /** A failure to open as a rejection. */
  const opening = async (open: () => void): Promise<void> => {
    open();
    await rig.close();
  };

  describe("the place where it is kept", () => {
    test("holds everything when it is opened again, and migrations are done once", async () => {
      await createRows(2);
      await openOne();
      await rig.close();
      reopen();
      expect(await rig.store.census(SCOPE)).toMatchObject([{ current: 2 }]);
      expect((await read()).state).toBe("PLANNED");
    });

    test("of a newer release is refused, and left as it is", async () => {
      await createRows(1);
      await rig.close();
      damage("INSERT INTO schema_migrations (id, name) VALUES (9999, 'of the future')");
      expect(await refusal(opening(reopen))).toBe("store-newer");
      damage("DELETE FROM schema_migrations WHERE id = 9999");
      reopen();
      expect(await rig.store.census(SCOPE)).toMatchObject([{ current: 1 }]);
    });

    test("that is no database is refused, and left as it is", async () => {
      const letter = "Dear Claviger, ".repeat(100);
      const other = join(rig.folder, "letter.txt");
      writeFileSync(other, letter);
      expect(await refusal(opening(() => rig.open(other)))).toBe("store-damaged");
      expect(readFileSync(other, "utf8")).toBe(letter);
    });
  });
}
