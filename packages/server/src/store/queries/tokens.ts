import type { ExpressionBuilder } from "kysely";
import type { PrincipalRecord, TokenRecord } from "../../core/access/principal.ts";
import type { PrincipalId, TokenId } from "../../core/ids.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, first, run } from "../script.ts";
import type { Tables } from "../tables.ts";
import { findPrincipal } from "./principals.ts";
import { countRevocation } from "./revocations.ts";
import { tokenOf, tokenRow } from "./token-rows.ts";

export function* createToken(db: QueryBuilder, input: { token: TokenRecord }) {
  yield* run(db.insertInto("tokens").values(tokenRow(input.token)));
  return "created" as const;
}

export function* findTokenByHash(
  db: QueryBuilder,
  input: { hash: Uint8Array },
): Script<{ token: TokenRecord; principal: PrincipalRecord } | undefined> {
  const row = yield* first(db.selectFrom("tokens").selectAll().where("hash", "=", input.hash));
  const principal = row && (yield* findPrincipal(db, { ref: row.principal_id }));
  return row && principal && { token: tokenOf(row), principal };
}

export function* findToken(db: QueryBuilder, input: { id: TokenId }): Script<TokenRecord | undefined> {
  const row = yield* first(db.selectFrom("tokens").selectAll().where("id", "=", input.id));
  return row && tokenOf(row);
}

export function* listTokens(
  db: QueryBuilder,
  input: { principalId: PrincipalId },
): Script<readonly TokenRecord[]> {
  const rows = yield* all(
    db.selectFrom("tokens").selectAll().where("principal_id", "=", input.principalId).orderBy("n"),
  );
  return rows.map(tokenOf);
}

export function* listEndedTokens(
  db: QueryBuilder,
  { endedBeforeMs, limit }: { endedBeforeMs: number; limit: number },
): Script<readonly TokenId[]> {
  const rows = yield* all(
    db
      .selectFrom("tokens")
      .select("id")
      .where((where) => where.or(endedBefore(where, endedBeforeMs)))
      .limit(limit),
  );
  return rows.map(({ id }) => id as TokenId);
}

export function* dropEndedTokens(
  db: QueryBuilder,
  { ids, endedBeforeMs }: { ids: readonly TokenId[]; endedBeforeMs: number },
): Script<number> {
  return yield* run(
    db
      .deleteFrom("tokens")
      .where("id", "in", [...ids])
      .where((where) => where.or(endedBefore(where, endedBeforeMs))),
  );
}

function endedBefore(where: ExpressionBuilder<Tables, "tokens">, ms: number) {
  return [where("expires_at_ms", "<", ms), where("revoked_at_ms", "<", ms)];
}

export function* revokeToken(db: QueryBuilder, input: { token: TokenRecord }) {
  const { id, revoked_at_ms, mac } = tokenRow(input.token);
  const updated = yield* run(
    db
      .updateTable("tokens")
      .set({ revoked_at_ms, mac })
      .where("id", "=", id)
      .where("revoked_at_ms", "is", null),
  );
  if (updated === 0) return "revoked-before" as const;
  yield* countRevocation(db);
  return "revoked" as const;
}
