import type { RawBuilder } from "kysely";
import { sql } from "kysely";
import type { KekId, ProjectId } from "../../core/ids.ts";
import type { Change } from "../../core/master-key-change/change.ts";
import type {
  Claimed,
  ClaimRequest,
  RewrapOutcome,
  RewrapRow,
  WorkOrder,
} from "../../core/ports/change-store.ts";
import type { QueryBuilder, RowUpdate, Script } from "../script.ts";
import { all, first, hold, run, runForEach } from "../script.ts";
import { onOneBuffer } from "./one-buffer.ts";
import { mayPurge, readChange } from "./changes.ts";
import type { HeldFence } from "./fences.ts";
import { holdFenceOfChange } from "./fences.ts";

/** States in which a row may get its form under the target; in the later ones as a repair. */
const REENCIPHER_IN = ["REENCIPHERING", "READY", "ACTIVATING", "ACTIVATED"] as const;

interface Work {
  readonly held: HeldFence;
  readonly change: Change;
  readonly fromMk: number;
  readonly toMk: number;
}

/** The fence and the change, if both still are what the worker's order says: a late worker gets nothing and writes nothing. */
function* holdForWork(
  db: QueryBuilder,
  order: WorkOrder,
  states: readonly Change["state"][],
): Script<Work | undefined> {
  const held = yield* holdFenceOfChange(db, order.changeId, "shared");
  if (!held || held.fence.generation !== order.generation) return undefined;
  const change = yield* readChange(db, { id: order.changeId });
  if (!change?.to || !states.includes(change.state)) return undefined;
  const mayWrite =
    change.state === "DONE" ? yield* mayPurge(db, change.id) : held.fence.openChange === change.id;
  if (!mayWrite) return undefined;
  return { held, change, fromMk: held.patterns.id(change.from), toMk: held.patterns.id(change.to) };
}

export function* claimRows(db: QueryBuilder, input: WorkOrder & ClaimRequest): Script<Claimed> {
  const work = yield* holdForWork(db, input, REENCIPHER_IN);
  if (!work) return "moved";
  return { written: 0, rows: yield* claim(db, work, input) };
}

export function* commitRows(
  db: QueryBuilder,
  input: WorkOrder & { outcomes: readonly RewrapOutcome[]; nowMs: number; next: ClaimRequest | undefined },
): Script<Claimed> {
  const work = yield* holdForWork(db, input, REENCIPHER_IN);
  if (!work) return "moved";
  const done: unknown[][] = [];
  const failed: unknown[][] = [];
  for (const { n, rowVersion, outcome } of input.outcomes) {
    if ("blob" in outcome) done.push([n, rowVersion, outcome.blob, work.toMk]);
    else failed.push([n, rowVersion, outcome.refused, input.changeId, input.nowMs]);
  }
  const written = yield* runForEach(KEEP_FORM, done);
  yield* runForEach(NOTE_FAILURE, failed);
  return { written, rows: input.next ? yield* claim(db, work, input.next) : [] };
}

const KEEP_FORM: RowUpdate = {
  table: "keks",
  set: `wrapped_new = :blob, mk_new = :target, row_version = row_version + 1,
    failed_change = NULL, failed_reason = NULL, failed_attempt = NULL, failed_at_ms = NULL`,
  where: "n = :row AND row_version = :version AND mk <> :target",
  values: [
    ["row", "integer"],
    ["version", "integer"],
    ["blob", "bytes"],
    ["target", "integer"],
  ],
};

const NOTE_FAILURE: RowUpdate = {
  table: "keks",
  set: `row_version = row_version + 1,
    failed_attempt = CASE WHEN failed_change = :change THEN failed_attempt + 1 ELSE 1 END,
    failed_reason = :reason, failed_change = :change, failed_at_ms = :now`,
  where: "n = :row AND row_version = :version",
  values: [
    ["row", "integer"],
    ["version", "integer"],
    ["reason", "text"],
    ["change", "text"],
    ["now", "integer"],
  ],
};

/** Those who pick rows for themselves are one at a time, or two would pick the same. Taken after the fence. */
function* holdPicking(work: Work): Script<void> {
  yield* hold(`picking rows of ${work.held.fence.group} ${work.held.fence.type}`, "exclusive");
}

/** Takes the next rows and notes in the worker's lease how far it went, so that others begin behind it. */
function* claim(db: QueryBuilder, work: Work, request: ClaimRequest): Script<readonly RewrapRow[]> {
  const { lease } = request;
  yield* holdPicking(work);
  const rows = yield* request.which.rows === "untried"
    ? nextUntried(db, work, request)
    : nextFailed(db, work, request.which.failedBeforeMs, request.limit);
  yield* run(db.deleteFrom("rewrap_leases").where("owner", "=", lease.owner));
  const last = rows.at(-1);
  if (last && request.which.rows === "untried") {
    yield* run(
      db
        .insertInto("rewrap_leases")
        .values({ owner: lease.owner, change_id: work.change.id, last_n: last.n, until_ms: lease.untilMs }),
    );
  }
  return onOneBuffer(rows);
}

function* nextUntried(db: QueryBuilder, work: Work, request: ClaimRequest): Script<readonly RewrapRow[]> {
  const leased = yield* first(
    db
      .selectFrom("rewrap_leases")
      .select(sql<number>`coalesce(max(last_n), 0)`.as("last"))
      .where("change_id", "=", work.change.id)
      .where("owner", "!=", request.lease.owner)
      .where("until_ms", ">", request.lease.nowMs),
  );
  const untried = selectRows(db, work)
    .where("n", ">", leased?.last ?? 0)
    .where((where) =>
      where.or([where("failed_change", "is", null), where("failed_change", "!=", work.change.id)]),
    )
    .limit(request.limit);
  const rows = yield* all(untried.where("mk_new", "is", null).orderBy("mk_new").orderBy("n"));
  if (rows.length > 0) return rows.map((row) => rewrapRow(row, work));
  const others = yield* all(untried.where(underAnother(work)).orderBy("n"));
  return others.map((row) => rewrapRow(row, work));
}

function* nextFailed(
  db: QueryBuilder,
  work: Work,
  failedBeforeMs: number,
  limit: number,
): Script<readonly RewrapRow[]> {
  const rows = yield* all(
    selectRows(db, work)
      .where("failed_change", "=", work.change.id)
      .where("failed_at_ms", "<=", failedBeforeMs)
      .where((where) => where.or([where("mk_new", "is", null), where("mk_new", "!=", work.toMk)]))
      .orderBy("failed_attempt")
      .orderBy("n")
      .limit(limit),
  );
  return rows.map((row) => rewrapRow(row, work));
}

/** A second form that is left from elsewhere; written as two ranges, which an index can follow. */
function underAnother(work: Work) {
  return sql<boolean>`(mk_new < ${work.toMk} OR mk_new > ${work.toMk})`;
}

function selectRows(db: QueryBuilder, work: Work) {
  return db
    .selectFrom("keks")
    .select(["n", "row_version", "project_id", "id", "kcv", "wrapped", "wrapped_old", "mk_old"])
    .where("fence_id", "=", work.held.row.id)
    .where("mk", "!=", work.toMk);
}

interface SelectedRow {
  n: number;
  row_version: number;
  project_id: string;
  id: string;
  kcv: Uint8Array;
  wrapped: Uint8Array;
  wrapped_old: Uint8Array | null;
  mk_old: number | null;
}

function rewrapRow(row: SelectedRow, work: Work): RewrapRow {
  return {
    n: row.n,
    rowVersion: row.row_version,
    projectId: row.project_id as ProjectId,
    kekId: row.id as KekId,
    kcv: row.kcv,
    blob: row.wrapped,
    reusable: row.mk_old === work.toMk && row.wrapped_old ? row.wrapped_old : undefined,
  };
}

export function* dropLeases(db: QueryBuilder): Script<void> {
  yield* run(db.deleteFrom("rewrap_leases"));
}

export function* finalizeRows(
  db: QueryBuilder,
  input: WorkOrder & { limit: number },
): Script<"moved" | number> {
  const work = yield* holdForWork(db, input, ["FINALIZING"]);
  if (!work) return "moved";
  yield* holdPicking(work);
  return yield* write(
    db,
    sql`UPDATE keks SET wrapped_old = wrapped, mk_old = mk, wrapped = wrapped_new, mk = mk_new,
      wrapped_new = NULL, mk_new = NULL, row_version = row_version + 1
    WHERE n IN (SELECT n FROM keks
      WHERE fence_id = ${work.held.row.id} AND ${patternIs("mk_new", work.toMk)} AND mk = ${work.fromMk} ORDER BY mk_new, n LIMIT ${input.limit})`,
  );
}

export function* dropNextForms(
  db: QueryBuilder,
  input: WorkOrder & { limit: number },
): Script<"moved" | number> {
  const work = yield* holdForWork(db, input, ["CANCELING"]);
  if (!work) return "moved";
  yield* holdPicking(work);
  return yield* write(
    db,
    sql`UPDATE keks SET wrapped_new = NULL, mk_new = NULL, row_version = row_version + 1
    WHERE n IN (SELECT n FROM keks
      WHERE fence_id = ${work.held.row.id} AND ${patternIs("mk_new", work.toMk)} ORDER BY mk_new, n LIMIT ${input.limit})`,
  );
}

export function* dropOldForms(
  db: QueryBuilder,
  input: WorkOrder & { limit: number },
): Script<"moved" | number> {
  const work = yield* holdForWork(db, input, ["DONE"]);
  if (!work || work.change.approval?.action !== "purge" || work.change.approval.approvedBy === undefined) {
    return "moved";
  }
  yield* holdPicking(work);
  return yield* write(
    db,
    sql`UPDATE keks SET wrapped_old = NULL, mk_old = NULL, row_version = row_version + 1
    WHERE n IN (SELECT n FROM keks
      WHERE fence_id = ${work.held.row.id} AND ${patternIs("mk_old", work.fromMk)} ORDER BY mk_old, n LIMIT ${input.limit})`,
  );
}

/**
 * That a form has a pattern, where rows are picked in the order of pattern and `n`. It is written as a range, so that an
 * index by pattern is the only one in that order: the primary key looks as good to a planner that does not know that the
 * rows which are done are the first ones, and would pass them all for each batch.
 */
function patternIs(column: "mk_new" | "mk_old", mk: number) {
  return sql<boolean>`${sql.ref(column)} BETWEEN ${mk} AND ${mk}`;
}

/** Runs an update of rows that it picks itself, which only they do who hold the picking. */
function* write(db: QueryBuilder, statement: RawBuilder<unknown>): Script<number> {
  return yield* run({ compile: () => statement.compile(db) });
}
