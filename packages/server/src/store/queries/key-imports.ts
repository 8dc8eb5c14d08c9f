import type { ImportTokenId, KekId, KeyId, ProjectId } from "../../core/ids.ts";
import type { ImportTokenRecord, KeyRecord, KeyVersionRecord } from "../../core/hierarchy/records.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { first, hold, run } from "../script.ts";
import { addVersion } from "./keys.ts";

export function* putImportToken(db: QueryBuilder, input: { token: ImportTokenRecord }) {
  const { token } = input;
  const row = {
    id: token.id,
    project_id: token.projectId,
    kek_id: token.kekId,
    public_key: token.publicKey,
    wrapped: token.wrapped,
    expires_at_ms: token.expiresAtMs,
    mac: token.mac,
  };
  yield* run(
    db
      .insertInto("import_tokens")
      .values({ key_id: token.keyId, ...row })
      .onConflict((conflict) => conflict.column("key_id").doUpdateSet(row)),
  );
  return "created" as const;
}

export function* findImportToken(
  db: QueryBuilder,
  input: { keyId: KeyId },
): Script<ImportTokenRecord | undefined> {
  const row = yield* first(db.selectFrom("import_tokens").selectAll().where("key_id", "=", input.keyId));
  return (
    row && {
      id: row.id as ImportTokenId,
      keyId: row.key_id as KeyId,
      projectId: row.project_id as ProjectId,
      kekId: row.kek_id as KekId,
      publicKey: row.public_key,
      wrapped: row.wrapped,
      expiresAtMs: row.expires_at_ms,
      mac: row.mac,
    }
  );
}

export function* importKeyVersion(
  db: QueryBuilder,
  input: { key: KeyRecord; version: KeyVersionRecord; tokenId: ImportTokenId },
) {
  yield* hold(`import ${input.key.id}`, "exclusive"); // of two imports by one token the second finds none
  const token = yield* findImportToken(db, { keyId: input.key.id });
  if (token?.id !== input.tokenId) return "token-gone" as const;
  const outcome = yield* addVersion(db, input.key, input.version);
  if (outcome === "updated") yield* dropImportToken(db, input.key.id);
  return outcome;
}

export function* dropImportToken(db: QueryBuilder, keyId: KeyId): Script<number> {
  return yield* run(db.deleteFrom("import_tokens").where("key_id", "=", keyId));
}

export function* dropExpiredImportTokens(db: QueryBuilder, input: { nowMs: number }): Script<number> {
  return yield* run(db.deleteFrom("import_tokens").where("expires_at_ms", "<=", input.nowMs));
}
