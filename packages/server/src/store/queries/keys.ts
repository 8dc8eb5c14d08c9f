import type { Insertable, Selectable } from "kysely";
import type { KekId, KeyId, ProjectId } from "../../core/ids.ts";
import type { KeyRecord, KeyVersionRecord } from "../../core/hierarchy/records.ts";
import type { Page, PageOf } from "../../core/ports/store.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, first, run } from "../script.ts";
import type { Tables } from "../tables.ts";
import { holdFenceOfKek } from "./fences.ts";
import { pageOf, pageStart } from "./pages.ts";
import { countRevocation } from "./revocations.ts";

export function* createKey(db: QueryBuilder, input: { key: KeyRecord; version: KeyVersionRecord }) {
  if (yield* frozen(db, input.version.kekId)) return "frozen" as const;
  const inserted = yield* run(
    db
      .insertInto("keys")
      .values(rowOf(input.key))
      .onConflict((conflict) => conflict.doNothing()),
  );
  if (inserted === 0) return "name-taken" as const;
  yield* run(db.insertInto("key_versions").values(versionRowOf(input.version)));
  return "created" as const;
}

export function* updateKey(
  db: QueryBuilder,
  input: { key: KeyRecord; version: KeyVersionRecord | undefined },
) {
  const { key, version } = input;
  if (version && (yield* frozen(db, version.kekId))) return "frozen" as const;
  const updated = yield* run(
    db
      .updateTable("keys")
      .set({ state: key.state, current_version: key.currentVersion, revision: key.revision, mac: key.mac })
      .where("id", "=", key.id)
      .where("revision", "=", key.revision - 1),
  );
  if (updated === 0) return "changed-meanwhile" as const;
  if (version) yield* run(db.insertInto("key_versions").values(versionRowOf(version)));
  if (key.state !== "enabled") yield* countRevocation(db);
  return "updated" as const;
}

/** Whether a change with freeze=mutations re-enciphers the KEK's master key now; it begins with no creation under way. */
function* frozen(db: QueryBuilder, kekId: KekId): Script<boolean> {
  return (yield* holdFenceOfKek(db, kekId, "shared"))?.fence.frozen ?? false;
}

export function* findKey(
  db: QueryBuilder,
  input: { projectId: ProjectId; ref: string },
): Script<KeyRecord | undefined> {
  const row = yield* first(
    db
      .selectFrom("keys")
      .selectAll()
      .where("project_id", "=", input.projectId)
      .where((where) => where.or([where("id", "=", input.ref), where("name", "=", input.ref)])),
  );
  return row && keyOf(row);
}

export function* listKeys(
  db: QueryBuilder,
  input: Page & { projectId: ProjectId },
): Script<PageOf<KeyRecord>> {
  const rows = yield* all(
    db
      .selectFrom("keys")
      .selectAll()
      .where("project_id", "=", input.projectId)
      .where("n", ">", pageStart(input))
      .orderBy("n")
      .limit(input.limit + 1),
  );
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
  if (!row) return undefined;
  return {
    keyId: row.key_id as KeyId,
    projectId: row.project_id as ProjectId,
    version: row.version,
    kekId: row.kek_id as KekId,
    wrapped: row.wrapped,
    createdAtMs: row.created_at_ms,
    mac: row.mac,
  };
}

function keyOf(row: Selectable<Tables["keys"]>): KeyRecord {
  return {
    id: row.id as KeyId,
    projectId: row.project_id as ProjectId,
    name: row.name,
    spec: row.spec,
    usage: row.usage,
    state: row.state,
    currentVersion: row.current_version,
    createdAtMs: row.created_at_ms,
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
    state: key.state,
    current_version: key.currentVersion,
    created_at_ms: key.createdAtMs,
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
    created_at_ms: version.createdAtMs,
    mac: version.mac,
  };
}
