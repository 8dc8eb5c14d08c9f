import { sql } from "kysely";
import type { ChangeId, KekId, ProjectId, Vp } from "../../core/ids.ts";
import type {
  CensusLine,
  FailedRow,
  FenceRef,
  RewrapRow,
  RowProgress,
} from "../../core/ports/change-store.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, first } from "../script.ts";
import { seeFence } from "./fences.ts";

type PatternColumn = "mk" | "mk_new" | "mk_old";

export function* countRows(
  db: QueryBuilder,
  fenceId: number,
  column: PatternColumn,
  mk: number,
): Script<number> {
  const row = yield* first(
    db
      .selectFrom("keks")
      .select((select) => select.fn.countAll<number>().as("rows"))
      .where("fence_id", "=", fenceId)
      .where(column, "=", mk),
  );
  return row?.rows ?? 0;
}

function* countAllRows(db: QueryBuilder, fenceId: number): Script<number> {
  const row = yield* first(
    db
      .selectFrom("keks")
      .select((select) => select.fn.countAll<number>().as("rows"))
      .where("fence_id", "=", fenceId),
  );
  return row?.rows ?? 0;
}

/** Rows without a form under `toMk`. No row has the same pattern in two of its forms, so three index counts tell. */
export function* countLacking(db: QueryBuilder, fenceId: number, toMk: number): Script<number> {
  const having =
    (yield* countRows(db, fenceId, "mk", toMk)) + (yield* countRows(db, fenceId, "mk_new", toMk));
  return (yield* countAllRows(db, fenceId)) - having;
}

export function* countProgress(
  db: QueryBuilder,
  input: FenceRef & { changeId: ChangeId; from: Vp; to: Vp | undefined },
): Script<RowProgress> {
  const held = yield* seeFence(db, input);
  if (!held) return { keks: 0, lacking: 0, failed: 0, underFrom: 0, withTargetAsNext: 0, keepingFrom: 0 };
  const id = held.row.id;
  const fromMk = held.patterns.id(input.from);
  const toMk = held.patterns.id(input.to);
  const failed = yield* first(
    db
      .selectFrom("keks")
      .select((select) => select.fn.countAll<number>().as("rows"))
      .where("failed_change", "=", input.changeId)
      .where((where) => where.or([where("mk_new", "is", null), where("mk_new", "!=", toMk)]))
      .where("mk", "!=", toMk),
  );
  return {
    keks: yield* countAllRows(db, id),
    lacking: yield* countLacking(db, id, toMk),
    failed: failed?.rows ?? 0,
    underFrom: yield* countRows(db, id, "mk", fromMk),
    withTargetAsNext: yield* countRows(db, id, "mk_new", toMk),
    keepingFrom: yield* countRows(db, id, "mk_old", fromMk),
  };
}

export function* census(db: QueryBuilder, input: FenceRef): Script<readonly CensusLine[]> {
  const held = yield* seeFence(db, input);
  if (!held) return [];
  const counts = new Map<number, { current: number; next: number; previous: number }>();
  const columns = { current: "mk", next: "mk_new", previous: "mk_old" } as const;
  for (const form of ["current", "next", "previous"] as const) {
    const column = columns[form];
    const rows = yield* all(
      db
        .selectFrom("keks")
        .select((select) => [`${column} as mk` as const, select.fn.countAll<number>().as("rows")])
        .where("fence_id", "=", held.row.id)
        .where(column, "is not", null)
        .groupBy(column),
    );
    for (const row of rows) {
      const mk = row.mk as number;
      const line = counts.get(mk) ?? { current: 0, next: 0, previous: 0 };
      line[form] = row.rows;
      counts.set(mk, line);
    }
  }
  return [...counts]
    .toSorted(([a], [b]) => a - b)
    .map(([mk, line]) => ({ vp: held.patterns.vp(mk), ...line }));
}

export function* listFailedRows(
  db: QueryBuilder,
  input: { changeId: ChangeId; limit: number },
): Script<readonly FailedRow[]> {
  const rows = yield* all(
    db
      .selectFrom("keks")
      .select(["project_id", "id", "failed_reason", "failed_attempt", "failed_at_ms"])
      .where("failed_change", "=", input.changeId)
      .orderBy("n")
      .limit(input.limit),
  );
  return rows.map((row) => ({
    projectId: row.project_id as ProjectId,
    kekId: row.id as KekId,
    reason: row.failed_reason ?? "",
    attempt: row.failed_attempt ?? 0,
    atMs: row.failed_at_ms ?? 0,
  }));
}

export function* sampleRows(
  db: QueryBuilder,
  input: FenceRef & { limit: number },
): Script<readonly (RewrapRow & { readonly vp: Vp })[]> {
  const held = yield* seeFence(db, input);
  if (!held) return [];
  const range = yield* first(
    db
      .selectFrom("keks")
      .select(sql<number>`coalesce(max(n), 0)`.as("last"))
      .where("fence_id", "=", held.row.id),
  );
  const step = Math.max(1, Math.ceil((range?.last ?? 0) / input.limit));
  const rows = yield* all(
    db
      .selectFrom("keks")
      .select(["n", "row_version", "project_id", "id", "kcv", "wrapped", "mk"])
      .where("fence_id", "=", held.row.id)
      .where(sql<boolean>`n % ${step} = ${step === 1 ? 0 : 1}`)
      .limit(input.limit),
  );
  return rows.map((row) => ({
    n: row.n,
    rowVersion: row.row_version,
    projectId: row.project_id as ProjectId,
    kekId: row.id as KekId,
    kcv: row.kcv,
    blob: row.wrapped,
    reusable: undefined,
    vp: held.patterns.vp(row.mk),
  }));
}
