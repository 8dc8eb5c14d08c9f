import type { Selectable } from "kysely";
import { Failure } from "../../core/errors.ts";
import type { RollbackMark } from "../../core/ports/rollback-store.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, first, run } from "../script.ts";
import type { Tables } from "../tables.ts";
import { beginEpoch } from "./moments.ts";

export function* readRollback(
  db: QueryBuilder,
  { id }: { readonly id?: string },
): Script<RollbackMark | undefined> {
  const marks = openMarks(db).limit(1);
  const row = yield* first(id === undefined ? marks : marks.where("id", "=", id));
  return row && markOf(row);
}

export function* acceptRollback(
  db: QueryBuilder,
  input: { by: string; atMs: number; epoch: number },
): Script<readonly RollbackMark[]> {
  const standing = yield* all(openMarks(db).where("state", "=", "standing"));
  if (standing.length > 0) yield* beginEpoch(db, input.epoch);
  yield* run(
    db
      .updateTable("rollback_marks")
      .set({ state: "accepted", accepted_by: input.by, accepted_at_ms: input.atMs })
      .where("state", "=", "standing"),
  );
  return standing.map((row) => ({ ...markOf(row), state: "accepted" }));
}

export function* listAcceptedRollbacks(
  db: QueryBuilder,
  input: { by: string; atMs: number },
): Script<readonly RollbackMark[]> {
  const rows = yield* all(
    db
      .selectFrom("rollback_marks")
      .selectAll()
      .where("accepted_by", "=", input.by)
      .where("accepted_at_ms", "=", input.atMs)
      .orderBy("marked_at_ms"),
  );
  return rows.map(markOf);
}

export function* markRollback(db: QueryBuilder, input: { mark: RollbackMark }) {
  const { id, state, reason, asOfMs, markedAtMs } = input.mark;
  if (yield* first(openMarks(db).where("reason", "=", reason).limit(1))) return "standing" as const;
  yield* run(
    db.insertInto("rollback_marks").values({
      id,
      state,
      reason,
      as_of_ms: asOfMs ?? null,
      backup_id: null,
      rows_written: 0,
      marked_at_ms: markedAtMs,
    }),
  );
  return "marked" as const;
}

/** In front of every script that writes, in its transaction. @throws Failure `store-rolled-back` while a mark stands. */
export function* refuseWhileRolledBack(db: QueryBuilder): Script<void> {
  const mark = yield* readRollback(db, {});
  if (mark)
    throw new Failure("store-rolled-back", `the database was ${mark.reason}, and nobody has accepted that`);
}

function openMarks(db: QueryBuilder) {
  return db.selectFrom("rollback_marks").selectAll().where("state", "!=", "accepted").orderBy("marked_at_ms");
}

function markOf(row: Selectable<Tables["rollback_marks"]>): RollbackMark {
  return {
    id: row.id,
    state: row.state,
    reason: row.reason,
    asOfMs: row.as_of_ms ?? undefined,
    markedAtMs: row.marked_at_ms,
  };
}
