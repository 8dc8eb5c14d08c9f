import type { Selectable } from "kysely";
import { Failure } from "../../core/errors.ts";
import type { ChangeId, GroupName, Vp } from "../../core/ids.ts";
import type { Fence } from "../../core/master-key-change/change.ts";
import type { FenceRef } from "../../core/ports/store.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, first, run } from "../script.ts";
import type { Tables } from "../tables.ts";
import type { Patterns } from "./patterns.ts";
import { notePattern, readPatterns } from "./patterns.ts";

export type FenceRow = Selectable<Tables["fences"]>;

/** A fence as a script holds it: the row, what it means, and the patterns of its master keys. */
export interface HeldFence {
  readonly row: FenceRow;
  readonly fence: Fence;
  readonly patterns: Patterns;
}

export function* holdFence(db: QueryBuilder, ref: FenceRef): Script<HeldFence | undefined> {
  const row = yield* first(
    db.selectFrom("fences").selectAll().where("unit_group", "=", ref.group).where("key_type", "=", ref.type),
  );
  return row && (yield* held(db, row));
}

export function* holdFenceById(db: QueryBuilder, id: number): Script<HeldFence> {
  const row = yield* first(db.selectFrom("fences").selectAll().where("id", "=", id));
  if (!row) throw new Failure("store-damaged", "a row names a fence that is not there");
  return yield* held(db, row);
}

function* held(db: QueryBuilder, row: FenceRow): Script<HeldFence> {
  const patterns = yield* readPatterns(db, row.id);
  return { row, patterns, fence: fenceOf(row, patterns) };
}

function fenceOf(row: FenceRow, patterns: Patterns): Fence {
  return {
    group: row.unit_group as GroupName,
    type: row.key_type,
    generation: row.generation,
    currentVp: patterns.vp(row.current_mk),
    targetVp: row.target_mk === null ? undefined : patterns.vp(row.target_mk),
    mustWrap: (JSON.parse(row.must_wrap) as number[]).map((id) => patterns.vp(id)),
    frozen: row.frozen !== 0,
    openChange: (row.open_change as ChangeId | null) ?? undefined,
  };
}

export function* createFence(db: QueryBuilder, input: FenceRef & { currentVp: Vp; atMs: number }) {
  if (yield* holdFence(db, input)) return "exists" as const;
  yield* run(
    db.insertInto("fences").values({
      unit_group: input.group,
      key_type: input.type,
      generation: 1,
      current_mk: 0,
      target_mk: null,
      must_wrap: "[]",
      frozen: 0,
      open_change: null,
    }),
  );
  const row = yield* first(
    db
      .selectFrom("fences")
      .select("id")
      .where("unit_group", "=", input.group)
      .where("key_type", "=", input.type),
  );
  if (!row) throw new Failure("store-damaged", "the fence row was not kept");
  const mk = yield* notePattern(db, row.id, input.currentVp, input.atMs);
  yield* run(
    db
      .updateTable("fences")
      .set({ current_mk: mk, must_wrap: JSON.stringify([mk]) })
      .where("id", "=", row.id),
  );
  return "created" as const;
}

export function* readFence(db: QueryBuilder, input: FenceRef): Script<Fence | undefined> {
  return (yield* holdFence(db, input))?.fence;
}

export function* listFences(db: QueryBuilder): Script<readonly Fence[]> {
  const rows = yield* all(db.selectFrom("fences").selectAll().orderBy("id"));
  const fences: Fence[] = [];
  for (const row of rows) fences.push((yield* held(db, row)).fence);
  return fences;
}
