import type { Selectable } from "kysely";
import type { KekId, ProjectId } from "../../core/ids.ts";
import type { KekRecord, NewKekRecord, ProjectRecord } from "../../core/hierarchy/records.ts";
import type { Page, PageOf } from "../../core/ports/store-call.ts";
import type { WrappedKek } from "../../core/unit/crypto-unit.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, first, run } from "../script.ts";
import type { Tables } from "../tables.ts";
import { holdFence, seeFenceById } from "./fences.ts";
import { pageOf, pageStart } from "./pages.ts";

export function* createProject(db: QueryBuilder, input: { project: ProjectRecord; kek: NewKekRecord }) {
  const { project, kek } = input;
  const held = yield* holdFence(db, kek, "shared");
  if (!held || !carriesExactly(kek.wrapped, held.fence.mustWrap)) return "fence-moved" as const;
  const inserted = yield* run(
    db
      .insertInto("projects")
      .values({
        id: project.id,
        name: project.name,
        kek_id: project.kekId,
        created_at_ms: project.createdAtMs,
      })
      .onConflict((conflict) => conflict.doNothing()),
  );
  if (inserted === 0) return "name-taken" as const;
  const [inUse, next] = held.fence.mustWrap.map((vp) => kek.wrapped.find((form) => form.vp === vp));
  if (!inUse) return "fence-moved" as const;
  yield* run(
    db.insertInto("keks").values({
      id: kek.id,
      project_id: kek.projectId,
      fence_id: held.row.id,
      kcv: kek.kcv,
      wrapped: inUse.blob,
      mk: held.patterns.id(inUse.vp),
      wrapped_new: next?.blob ?? null,
      mk_new: next ? held.patterns.id(next.vp) : null,
      row_version: 1,
    }),
  );
  return "created" as const;
}

function carriesExactly(wrapped: readonly WrappedKek[], mustWrap: readonly string[]): boolean {
  return wrapped.length === mustWrap.length && mustWrap.every((vp) => wrapped.some((form) => form.vp === vp));
}

export function* findProject(db: QueryBuilder, input: { ref: string }): Script<ProjectRecord | undefined> {
  const row = yield* first(
    db
      .selectFrom("projects")
      .selectAll()
      .where((where) => where.or([where("id", "=", input.ref), where("name", "=", input.ref)])),
  );
  return row && projectOf(row);
}

export function* listProjects(db: QueryBuilder, input: Page): Script<PageOf<ProjectRecord>> {
  const rows = yield* all(
    db
      .selectFrom("projects")
      .selectAll()
      .where("n", ">", pageStart(input))
      .orderBy("n")
      .limit(input.limit + 1),
  );
  return pageOf(rows, input.limit, projectOf);
}

export function* readKek(db: QueryBuilder, input: { kekId: KekId }): Script<KekRecord | undefined> {
  const row = yield* first(db.selectFrom("keks").selectAll().where("id", "=", input.kekId));
  if (!row) return undefined;
  const { fence, patterns } = yield* seeFenceById(db, row.fence_id);
  const form = (blob: Uint8Array | null, mk: number | null) =>
    blob && mk !== null ? { vp: patterns.vp(mk), blob } : undefined;
  return {
    id: row.id as KekId,
    projectId: row.project_id as ProjectId,
    group: fence.group,
    type: fence.type,
    kcv: row.kcv,
    wrapped: { vp: patterns.vp(row.mk), blob: row.wrapped },
    wrappedNew: form(row.wrapped_new, row.mk_new),
    wrappedOld: form(row.wrapped_old, row.mk_old),
  };
}

function projectOf(row: Selectable<Tables["projects"]>): ProjectRecord {
  return {
    id: row.id as ProjectId,
    name: row.name,
    kekId: row.kek_id as KekId,
    createdAtMs: row.created_at_ms,
  };
}
