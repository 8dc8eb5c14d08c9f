import { sql } from "kysely";
import type { KeyRecord, KeyVersionRecord } from "../../core/hierarchy/records.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, run } from "../script.ts";
import { dropImportToken } from "./key-imports.ts";
import { keyOf, replaceKey } from "./keys.ts";

const NOTHING = new Uint8Array(0);

export function* listKeysDue(
  db: QueryBuilder,
  input: { nowMs: number; limit: number },
): Script<readonly KeyRecord[]> {
  const due = db
    .selectFrom("keys")
    .selectAll()
    .where(sql<boolean>`state = 'pending-deletion'`) // as the partial index says it
    .where("deletion_due_ms", "<=", input.nowMs);
  return (yield* all(due.orderBy("deletion_due_ms").limit(input.limit))).map(keyOf);
}

export function* destroyKey(
  db: QueryBuilder,
  input: { key: KeyRecord; versions: readonly KeyVersionRecord[] },
) {
  const { key, versions } = input;
  if (!(yield* replaceKey(db, key))) return "changed-meanwhile" as const;
  yield* run(db.updateTable("key_versions").set({ wrapped: NOTHING }).where("key_id", "=", key.id));
  for (const { version, mac } of versions) {
    yield* run(
      db.updateTable("key_versions").set({ mac }).where("key_id", "=", key.id).where("version", "=", version),
    );
  }
  yield* dropImportToken(db, key.id);
  return "destroyed" as const;
}
