import type { Selectable } from "kysely";
import { Failure } from "../../core/errors.ts";
import type { ChangeId, GroupName, KekId, Vp } from "../../core/ids.ts";
import type { Fence } from "../../core/master-key-change/change.ts";
import type { FenceRef } from "../../core/ports/change-store.ts";
import type { HoldMode, QueryBuilder, Script } from "../script.ts";
import { all, first, hold, run } from "../script.ts";
import type { Tables } from "../tables.ts";
import type { Patterns } from "./patterns.ts";
import { notePattern, readPatterns } from "./patterns.ts";

export type FenceRow = Selectable<Tables["fences"]>;

/** A fence as a script has read it: the row, what it means, and the patterns of its master keys. */
export interface HeldFence {
  readonly row: FenceRow;
  readonly fence: Fence;
  readonly patterns: Patterns;
}

/**
 * Takes the fence until the transaction ends, and reads it (rule 1): `shared` by whoever writes a KEK row or what
 * hangs on one, `exclusive` by whoever writes the fence or a change. While it is shared, nothing moves it and no change
 * is another; while it is exclusive, no KEK row is born or written either. What is read after it stays true.
 */
export function* holdFence(db: QueryBuilder, ref: FenceRef, mode: HoldMode): Script<HeldFence | undefined> {
  yield* hold(`fence ${ref.group} ${ref.type}`, mode);
  return yield* seeFence(db, ref);
}

/** The fence of a change, taken as `holdFence` does. */
export function* holdFenceOfChange(
  db: QueryBuilder,
  id: ChangeId,
  mode: HoldMode,
): Script<HeldFence | undefined> {
  const ref = yield* first(
    db
      .selectFrom("changes")
      .innerJoin("fences", "fences.id", "changes.fence_id")
      .select(["fences.unit_group as group", "fences.key_type as type"])
      .where("changes.id", "=", id),
  );
  return ref && (yield* holdFence(db, { group: ref.group as GroupName, type: ref.type }, mode));
}

/** The fence of a KEK, taken as `holdFence` does. */
export function* holdFenceOfKek(db: QueryBuilder, id: KekId, mode: HoldMode): Script<HeldFence | undefined> {
  const ref = yield* first(
    db
      .selectFrom("keks")
      .innerJoin("fences", "fences.id", "keks.fence_id")
      .select(["fences.unit_group as group", "fences.key_type as type"])
      .where("keks.id", "=", id),
  );
  return ref && (yield* holdFence(db, { group: ref.group as GroupName, type: ref.type }, mode));
}

/** The fence as it is now, which may move at any moment: for what only reads, on its own snapshot. */
export function* seeFence(db: QueryBuilder, ref: FenceRef): Script<HeldFence | undefined> {
  const row = yield* first(
    db.selectFrom("fences").selectAll().where("unit_group", "=", ref.group).where("key_type", "=", ref.type),
  );
  return row && (yield* held(db, row));
}

/** The same by its number. */
export function* seeFenceById(db: QueryBuilder, id: number): Script<HeldFence> {
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
  if (yield* holdFence(db, input, "exclusive")) return "exists" as const;
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
  return (yield* seeFence(db, input))?.fence;
}

export function* listFences(db: QueryBuilder): Script<readonly Fence[]> {
  const rows = yield* all(db.selectFrom("fences").selectAll().orderBy("id"));
  const fences: Fence[] = [];
  for (const row of rows) fences.push((yield* held(db, row)).fence);
  return fences;
}
