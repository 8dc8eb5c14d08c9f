import { sql } from "kysely";
import type { ChangeId, KekId, ProjectId, UnitAddress, Vp } from "../../core/ids.ts";
import type { FenceRef, RewrapRow, Sweep } from "../../core/ports/change-store.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, run } from "../script.ts";
import { onOneBuffer } from "./one-buffer.ts";
import { holdFence } from "./fences.ts";

export function* readSweeps(db: QueryBuilder, input: { changeId: ChangeId }): Script<readonly Sweep[]> {
  const rows = yield* all(
    db.selectFrom("sweeps").selectAll().where("change_id", "=", input.changeId).orderBy("unit"),
  );
  return rows.map((row) => ({
    unit: row.unit as UnitAddress,
    cursor: row.cursor_n,
    opened: row.opened,
    refused: JSON.parse(row.refused) as number[],
    complete: row.complete !== 0,
  }));
}

export function* readSweepRows(
  db: QueryBuilder,
  input: FenceRef & { vp: Vp; after: number; only: readonly number[] | undefined; limit: number },
) {
  // Exclusive, so that no creation is under way: a row that appeared behind the cursor would never be opened.
  const held = yield* holdFence(db, input, "exclusive");
  if (!held) return { rows: [], lacking: [], last: input.after };
  const mk = held.patterns.id(input.vp);
  const query = db
    .selectFrom("keks")
    .select(["n", "row_version", "project_id", "id", "kcv", "wrapped", "mk", "wrapped_new", "mk_new"])
    // Said twice negative, it keeps the indexes by fence out of SQLite's plan: rows are read in the order of n, unsorted.
    .where(sql<boolean>`NOT (fence_id <> ${held.row.id})`)
    .orderBy("n")
    .limit(input.limit);
  const found = yield* all(
    input.only ? query.where("n", "in", [...input.only]) : query.where("n", ">", input.after),
  );
  const rows: RewrapRow[] = [];
  const lacking: number[] = [];
  for (const row of found) {
    const blob = row.mk === mk ? row.wrapped : row.mk_new === mk ? row.wrapped_new : null;
    if (!blob) {
      lacking.push(row.n);
      continue;
    }
    rows.push({
      n: row.n,
      rowVersion: row.row_version,
      projectId: row.project_id as ProjectId,
      kekId: row.id as KekId,
      kcv: row.kcv,
      blob,
      reusable: undefined,
    });
  }
  return { rows: onOneBuffer(rows), lacking, last: found.at(-1)?.n ?? input.after };
}

export function* writeSweep(db: QueryBuilder, input: { changeId: ChangeId; sweep: Sweep }): Script<void> {
  const { sweep } = input;
  const values = {
    cursor_n: sweep.cursor,
    opened: sweep.opened,
    refused: JSON.stringify(sweep.refused),
    complete: Number(sweep.complete),
  };
  yield* run(
    db
      .insertInto("sweeps")
      .values({ change_id: input.changeId, unit: sweep.unit, ...values })
      .onConflict((conflict) => conflict.columns(["change_id", "unit"]).doUpdateSet(values)),
  );
}
