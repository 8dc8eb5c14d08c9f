import type { Selectable, Updateable } from "kysely";
import { Failure } from "../../core/errors.ts";
import type { ChangeId, UnitAddress, Vp } from "../../core/ids.ts";
import type { Approval, Change, HistoryEntry } from "../../core/master-key-change/change.ts";
import type { MustBeNone } from "../../core/master-key-change/transitions.ts";
import { OPEN_STATES, STATES_BEFORE_ACTIVATION } from "../../core/master-key-change/transitions.ts";
import type { ChangeAmendment, Transition } from "../../core/ports/change-store.ts";
import type { Page, PageOf } from "../../core/ports/store-call.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, first, run } from "../script.ts";
import type { Tables } from "../tables.ts";
import { countLacking, countRows } from "./census.ts";
import type { HeldFence } from "./fences.ts";
import { holdFence, holdFenceOfChange, seeFence, seeFenceById } from "./fences.ts";
import { pageStart } from "./pages.ts";
import { notePattern } from "./patterns.ts";

type ChangeRow = Selectable<Tables["changes"]>;

export function* openChange(db: QueryBuilder, input: { change: Change; note: string }) {
  const { change } = input;
  const held = yield* holdFence(db, change, "exclusive");
  if (!held || held.fence.currentVp !== change.from) return "current-differs" as const;
  const other = held.fence.openChange
    ? yield* readChange(db, { id: held.fence.openChange })
    : yield* changeBeingPurged(db, held);
  if (other) return { open: other };
  yield* run(
    db.insertInto("changes").values({
      id: change.id,
      fence_id: held.row.id,
      state: change.state,
      from_mk: held.patterns.id(change.from),
      to_mk: null,
      expected_vp: change.expectedVp ?? null,
      restores: change.restores ?? null,
      opened_by: change.openedBy,
      opened_at_ms: change.openedAtMs,
      paused: Number(change.paused),
      freeze: change.freeze,
      rows_per_second: change.rowsPerSecond ?? null,
    }),
  );
  yield* run(
    db
      .updateTable("fences")
      .set({ open_change: change.id, generation: held.row.generation + 1 })
      .where("id", "=", held.row.id),
  );
  yield* addHistory(db, change.id, {
    atMs: change.openedAtMs,
    state: change.state,
    by: change.openedBy,
    note: input.note,
  });
  return "opened" as const;
}

function* changeBeingPurged(db: QueryBuilder, held: HeldFence): Script<Change | undefined> {
  const rows = yield* all(
    db
      .selectFrom("changes")
      .selectAll()
      .where("fence_id", "=", held.row.id)
      .where("state", "=", "DONE")
      .where("approval", "is not", null),
  );
  for (const row of rows) {
    const change = changeOf(row, held);
    if (change.approval?.approvedBy !== undefined) return change;
  }
  return undefined;
}

export function* readChange(db: QueryBuilder, input: { id: ChangeId }): Script<Change | undefined> {
  const row = yield* first(db.selectFrom("changes").selectAll().where("id", "=", input.id));
  return row && changeOf(row, yield* seeFenceById(db, row.fence_id));
}

export function* listChanges(db: QueryBuilder, input: Page & { openOnly: boolean }): Script<PageOf<Change>> {
  const before = input.after === undefined ? Number.MAX_SAFE_INTEGER : pageStart(input);
  let query = db.selectFrom("changes").selectAll().where("n", "<", before);
  if (input.openOnly) {
    query = query.where((where) =>
      where.or([
        where("state", "in", [...OPEN_STATES]),
        where.and([where("state", "=", "DONE"), where("approval", "is not", null)]),
      ]),
    );
  }
  const rows = yield* all(query.orderBy("n", "desc").limit(input.limit + 1));
  const shown = rows.slice(0, input.limit);
  const items: Change[] = [];
  for (const row of shown) items.push(changeOf(row, yield* seeFenceById(db, row.fence_id)));
  return { items, next: rows.length > input.limit ? String(shown.at(-1)?.n) : undefined };
}

export function* readHistory(db: QueryBuilder, input: { id: ChangeId }): Script<readonly HistoryEntry[]> {
  const rows = yield* all(
    db.selectFrom("change_history").selectAll().where("change_id", "=", input.id).orderBy("n"),
  );
  return rows.map((row) => ({ atMs: row.at_ms, state: row.state, by: row.by_whom, note: row.note }));
}

export function* transition(db: QueryBuilder, input: Transition) {
  const { change, advance, entry } = input;
  const held = yield* holdFence(db, change, "exclusive");
  const stored = yield* readChange(db, { id: change.id });
  if (!held || stored?.state !== change.state || held.row.generation !== input.generation)
    return "moved" as const;

  const toMk = advance.to === undefined ? null : yield* notePattern(db, held.row.id, advance.to, entry.atMs);
  const left = advance.mustBeNone ? yield* countLeft(db, held, change, toMk ?? 0, advance.mustBeNone) : 0;
  if (left > 0) return { left };

  const idOf = (vp: Vp): number => (vp === advance.to && toMk !== null ? toMk : held.patterns.id(vp));
  const { fence } = advance;
  yield* run(
    db
      .updateTable("fences")
      .set({
        generation: held.row.generation + 1,
        current_mk: idOf(fence.currentVp),
        target_mk: fence.targetVp === undefined ? null : idOf(fence.targetVp),
        must_wrap: JSON.stringify(fence.mustWrap.map(idOf)),
        frozen: Number(fence.frozen),
        open_change: fence.openChange ?? null,
      })
      .where("id", "=", held.row.id),
  );
  yield* run(
    db
      .updateTable("changes")
      .set({ ...amendmentRow(input.amendment), state: advance.state, to_mk: toMk })
      .where("id", "=", change.id),
  );
  yield* addHistory(db, change.id, entry);
  return "done" as const;
}

function* countLeft(
  db: QueryBuilder,
  held: HeldFence,
  change: Change,
  toMk: number,
  what: MustBeNone,
): Script<number> {
  const fromMk = held.patterns.id(change.from);
  switch (what) {
    case "rows-lacking-target":
      return yield* countLacking(db, held.row.id, toMk);
    case "rows-under-from":
      return yield* countRows(db, held.row.id, "mk", fromMk);
    case "rows-with-target-as-next":
      return yield* countRows(db, held.row.id, "mk_new", toMk);
    case "rows-keeping-from":
      return yield* countRows(db, held.row.id, "mk_old", fromMk);
  }
}

export function* amendChange(
  db: QueryBuilder,
  input: {
    id: ChangeId;
    state: Change["state"];
    amendment: ChangeAmendment;
    entry: HistoryEntry | undefined;
  },
) {
  yield* holdFenceOfChange(db, input.id, "exclusive");
  const { approval } = input.amendment;
  if (approval?.action === "purge" && approval.approvedBy !== undefined && !(yield* mayPurge(db, input.id)))
    return "moved" as const;
  const updated = yield* run(
    db
      .updateTable("changes")
      .set(amendmentRow(input.amendment))
      .where("id", "=", input.id)
      .where("state", "=", input.state),
  );
  if (updated === 0) return "moved" as const;
  if (input.entry) yield* addHistory(db, input.id, input.entry);
  return "done" as const;
}

/**
 * A DONE change keeps no fence for itself: it may be purged while no change is open, or one that does not go back to
 * it. The caller holds the fence.
 */
export function* mayPurge(db: QueryBuilder, id: ChangeId): Script<boolean> {
  const change = yield* readChange(db, { id });
  const held = change && (yield* seeFence(db, change));
  if (!held) return false;
  if (held.fence.openChange === undefined) return true;
  const open = yield* readChange(db, { id: held.fence.openChange });
  return open !== undefined && open.restores !== id && STATES_BEFORE_ACTIVATION.includes(open.state);
}

function* addHistory(db: QueryBuilder, id: ChangeId, entry: HistoryEntry): Script<void> {
  yield* run(
    db
      .insertInto("change_history")
      .values({ change_id: id, at_ms: entry.atMs, state: entry.state, by_whom: entry.by, note: entry.note }),
  );
}

/** Members that are present are set, `undefined` among them. */
function amendmentRow(amendment: ChangeAmendment): Updateable<Tables["changes"]> {
  const row: Updateable<Tables["changes"]> = {};
  if ("paused" in amendment) row.paused = Number(amendment.paused);
  if ("blockedReason" in amendment) row.blocked_reason = amendment.blockedReason ?? null;
  if ("approval" in amendment) row.approval = amendment.approval ? JSON.stringify(amendment.approval) : null;
  if ("canary" in amendment) row.canary = amendment.canary ?? null;
  return row;
}

function changeOf(row: ChangeRow, held: HeldFence): Change {
  if (row.fence_id !== held.row.id) throw new Failure("store-damaged", "a change names another fence");
  return {
    id: row.id as ChangeId,
    group: held.fence.group,
    type: held.fence.type,
    state: row.state,
    from: held.patterns.vp(row.from_mk),
    to: row.to_mk === null ? undefined : held.patterns.vp(row.to_mk),
    expectedVp: row.expected_vp ?? undefined,
    restores: (row.restores as ChangeId | null) ?? undefined,
    openedBy: row.opened_by,
    openedAtMs: row.opened_at_ms,
    paused: row.paused !== 0,
    freeze: row.freeze,
    rowsPerSecond: row.rows_per_second ?? undefined,
    canary: (row.canary as UnitAddress | null) ?? undefined,
    blockedReason: row.blocked_reason ?? undefined,
    approval: row.approval === null ? undefined : (JSON.parse(row.approval) as Approval),
  };
}
