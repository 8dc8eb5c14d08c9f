import type { Insertable, Selectable } from "kysely";
import { sql } from "kysely";
import type { KekId, KeyId, ProjectId } from "../../core/ids.ts";
import { isUuid } from "../../core/ids.ts";
import type { KeyRecord, KeyVersionRecord } from "../../core/hierarchy/records.ts";
import type { Page, PageOf } from "../../core/ports/store-call.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, first, run } from "../script.ts";
import type { Tables } from "../tables.ts";
import { holdFenceOfKek } from "./fences.ts";
import { pageOf, pageStart } from "./pages.ts";
import { countRevocation } from "./revocations.ts";

export function* createKey(
  db: QueryBuilder,
  input: { key: KeyRecord; version: KeyVersionRecord | undefined },
) {
  const { key, version } = input;
  if (version && (yield* frozen(db, version.kekId))) return "frozen" as const;
  const inserted = yield* run(
    db
      .insertInto("keys")
      .values(rowOf(key))
      .onConflict((conflict) => conflict.doNothing()),
  );
  if (inserted === 0) return "name-taken" as const;
  if (version) yield* run(db.insertInto("key_versions").values(versionRowOf(version)));
  return "created" as const;
}

export function* updateKey(
  db: QueryBuilder,
  input: { key: KeyRecord; version: KeyVersionRecord | undefined },
) {
  const { key, version } = input;
  if (version) return yield* addVersion(db, key, version);
  return (yield* replaceKey(db, key)) ? ("updated" as const) : ("changed-meanwhile" as const);
}

export function* addVersion(db: QueryBuilder, key: KeyRecord, version: KeyVersionRecord) {
  if (yield* frozen(db, version.kekId)) return "frozen" as const;
  if (!(yield* replaceKey(db, key))) return "changed-meanwhile" as const;
  yield* run(db.insertInto("key_versions").values(versionRowOf(version)));
  return "updated" as const;
}

/** Writes what may change of a key, if its revision still is the one before. */
export function* replaceKey(db: QueryBuilder, key: KeyRecord): Script<boolean> {
  const updated = yield* run(
    db
      .updateTable("keys")
      .set({
        state: key.state,
        current_version: key.currentVersion,
        deletion_due_ms: key.deletionDueMs ?? null,
        destroyed_at_ms: key.destroyedAtMs ?? null,
        revision: key.revision,
        mac: key.mac,
      })
      .where("id", "=", key.id)
      .where("revision", "=", key.revision - 1),
  );
  if (updated === 1 && key.state !== "enabled") yield* countRevocation(db);
  return updated === 1;
}

/** Keys that are there. Said as the partial index says it, with no parameter, for only so is it used. */
const NOT_DESTROYED = sql<boolean>`state <> 'destroyed'`;

/** Whether a change with freeze=mutations re-enciphers the KEK's master key now; it begins with no creation under way. */
function* frozen(db: QueryBuilder, kekId: KekId): Script<boolean> {
  return (yield* holdFenceOfKek(db, kekId, "shared"))?.fence.frozen ?? false;
}

export function* findKey(
  db: QueryBuilder,
  input: { projectId: ProjectId; ref: string },
): Script<KeyRecord | undefined> {
  const inProject = db.selectFrom("keys").selectAll().where("project_id", "=", input.projectId);
  const row = yield* first(
    isUuid(input.ref)
      ? inProject.where("id", "=", input.ref)
      : inProject.where("name", "=", input.ref).where(NOT_DESTROYED),
  );
  return row && keyOf(row);
}

export function* listKeys(
  db: QueryBuilder,
  input: Page & { projectId: ProjectId; destroyed: boolean },
): Script<PageOf<KeyRecord>> {
  const page = db
    .selectFrom("keys")
    .selectAll()
    .where("project_id", "=", input.projectId)
    .where("n", ">", pageStart(input))
    .orderBy("n")
    .limit(input.limit + 1);
  const rows = yield* all(input.destroyed ? page : page.where(NOT_DESTROYED));
  return pageOf(rows, input.limit, keyOf);
}

export function* readKeyVersion(
  db: QueryBuilder,
  input: { keyId: KeyId; version: number },
): Script<KeyVersionRecord | undefined> {
  const row = yield* first(
    db
      .selectFrom("key_versions")
      .selectAll()
      .where("key_id", "=", input.keyId)
      .where("version", "=", input.version),
  );
  return row && versionOf(row);
}

export function* listKeyVersions(
  db: QueryBuilder,
  input: { keyId: KeyId },
): Script<readonly KeyVersionRecord[]> {
  const ofKey = db.selectFrom("key_versions").selectAll().where("key_id", "=", input.keyId);
  return (yield* all(ofKey.orderBy("version"))).map(versionOf);
}

function versionOf(row: Selectable<Tables["key_versions"]>): KeyVersionRecord {
  return {
    keyId: row.key_id as KeyId,
    projectId: row.project_id as ProjectId,
    version: row.version,
    kekId: row.kek_id as KekId,
    wrapped: row.wrapped,
    publicKey: row.public_key ?? undefined,
    createdAtMs: row.created_at_ms,
    mac: row.mac,
  };
}

export function keyOf(row: Selectable<Tables["keys"]>): KeyRecord {
  return {
    id: row.id as KeyId,
    projectId: row.project_id as ProjectId,
    name: row.name,
    spec: row.spec,
    usage: row.usage,
    origin: row.origin,
    state: row.state,
    currentVersion: row.current_version,
    createdAtMs: row.created_at_ms,
    deletionDueMs: row.deletion_due_ms ?? undefined,
    destroyedAtMs: row.destroyed_at_ms ?? undefined,
    revision: row.revision,
    mac: row.mac,
  };
}

function rowOf(key: KeyRecord): Insertable<Tables["keys"]> {
  return {
    id: key.id,
    project_id: key.projectId,
    name: key.name,
    spec: key.spec,
    usage: key.usage,
    origin: key.origin,
    state: key.state,
    current_version: key.currentVersion,
    created_at_ms: key.createdAtMs,
    deletion_due_ms: key.deletionDueMs ?? null,
    destroyed_at_ms: key.destroyedAtMs ?? null,
    revision: key.revision,
    mac: key.mac,
  };
}

function versionRowOf(version: KeyVersionRecord): Insertable<Tables["key_versions"]> {
  return {
    key_id: version.keyId,
    version: version.version,
    project_id: version.projectId,
    kek_id: version.kekId,
    wrapped: version.wrapped,
    public_key: version.publicKey ?? null,
    created_at_ms: version.createdAtMs,
    mac: version.mac,
  };
}
