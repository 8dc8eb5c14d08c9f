import { rmSync } from "node:fs";
import { systemClock } from "../../packages/server/src/core/clock.ts";
import type { Vp } from "../../packages/server/src/core/ids.ts";
import { advanceChange } from "../../packages/server/src/core/master-key-change/advance-change.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite-store.ts";
import { databasePath, openDatabase, openUnit, unitPath } from "./data-folder.ts";
import { SECOND_UNIT } from "./steps.ts";
import { SPARE_PROJECT } from "./templates.ts";

/** What befalls a data folder before a scenario begins. */

type BlobColumn = "wrapped" | "wrapped_new";
const damaged = new Map<
  string,
  { readonly n: number; readonly column: BlobColumn; readonly blob: Uint8Array }
>();

/** Changes one bit of a wrapped form of the spare project's KEK. */
export function damageRow(folder: string, column: BlobColumn): void {
  using db = openDatabase(folder, { readOnly: false });
  const row = db
    .prepare(
      `SELECT n, ${column} AS blob FROM keks WHERE project_id = (SELECT id FROM projects WHERE name = ?)`,
    )
    .get(SPARE_PROJECT);
  const blob = row?.["blob"];
  if (!(blob instanceof Uint8Array)) throw new Error(`the spare project has no ${column}`);
  const n = row?.["n"] as number;
  damaged.set(folder, { n, column, blob });
  const changed = Uint8Array.from(blob);
  changed[20] = (changed[20] ?? 0) ^ 1;
  db.prepare(`UPDATE keks SET ${column} = ? WHERE n = ?`).run(changed, n);
}

/** Puts back what damageRow changed, if it is still as that left it. May be called again, beside a daemon too. */
export function mendRow(folder: string): void {
  const was = damaged.get(folder);
  if (was?.column !== "wrapped") return; // the service mends a second form by itself
  using db = openDatabase(folder, { readOnly: false });
  db.prepare("UPDATE keks SET wrapped = ? WHERE n = ?").run(was.blob, was.n);
}

/** An officer activates the second unit at its own console. */
export async function activateElsewhere(folder: string): Promise<void> {
  const unit = await openUnit(folder, SECOND_UNIT);
  const vp: Vp | undefined = (await unit.registers.read())[0]?.NEW.vp;
  if (!vp) throw new Error("NEW of the second unit is empty");
  await unit.registers.execute({ verb: "activate", type: "WK", vp });
  await unit.close();
}

/** The target is cleared from NEW of every unit, at their consoles, right after the change began to activate. */
export async function loseTargetWhileActivating(folder: string): Promise<void> {
  const store = openSqliteStore({ path: databasePath(folder), threads: "none" });
  const { items } = await store.listChanges({ limit: 1, after: undefined, openOnly: true });
  const [change] = items;
  if (!change?.to) throw new Error("no change is open");
  await advanceChange({ store, clock: systemClock }, change, { name: "activate" }, { by: "omar", note: "" });
  for (const { address } of await store.listUnits({})) {
    const unit = await openUnit(folder, address);
    await unit.registers.execute({ verb: "clear", register: "NEW", type: "WK", vp: change.to });
    await unit.close();
  }
  await store.close();
}

/** The second unit does not come back. */
export function loseSecondUnit(folder: string): void {
  rmSync(unitPath(folder, SECOND_UNIT));
}
