import type { Selectable } from "kysely";
import type { Role } from "../../core/access/principal.ts";
import type { PrincipalId } from "../../core/ids.ts";
import type { PrincipalRecord } from "../../core/ports/store.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, first, run } from "../script.ts";
import type { Tables } from "../tables.ts";

export function* createPrincipal(db: QueryBuilder, input: { principal: PrincipalRecord }) {
  const { principal } = input;
  const inserted = yield* run(
    db
      .insertInto("principals")
      .values({
        id: principal.id,
        name: principal.name,
        roles: JSON.stringify(principal.roles),
        token_hash: principal.tokenHash,
        created_at_ms: principal.createdAtMs,
        mac: principal.mac,
      })
      .onConflict((conflict) => conflict.doNothing()),
  );
  return inserted === 0 ? ("name-taken" as const) : ("created" as const);
}

export function* findPrincipalByTokenHash(
  db: QueryBuilder,
  input: { tokenHash: Uint8Array },
): Script<PrincipalRecord | undefined> {
  const row = yield* first(db.selectFrom("principals").selectAll().where("token_hash", "=", input.tokenHash));
  return row && principalOf(row);
}

export function* listPrincipals(db: QueryBuilder): Script<readonly PrincipalRecord[]> {
  return (yield* all(db.selectFrom("principals").selectAll().orderBy("name"))).map(principalOf);
}

function principalOf(row: Selectable<Tables["principals"]>): PrincipalRecord {
  return {
    id: row.id as PrincipalId,
    name: row.name,
    roles: JSON.parse(row.roles) as Role[],
    tokenHash: row.token_hash,
    createdAtMs: row.created_at_ms,
    mac: row.mac,
  };
}
