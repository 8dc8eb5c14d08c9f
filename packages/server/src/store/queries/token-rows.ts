import type { Insertable, Selectable } from "kysely";
import type { TokenRecord } from "../../core/access/principal.ts";
import type { PrincipalId, TokenId } from "../../core/ids.ts";
import type { Tables } from "../tables.ts";

export function tokenRow(token: TokenRecord): Insertable<Tables["tokens"]> {
  return {
    id: token.id,
    principal_id: token.principalId,
    hash: token.hash,
    label: token.label,
    created_at_ms: token.createdAtMs,
    expires_at_ms: token.expiresAtMs ?? null,
    revoked_at_ms: token.revokedAtMs ?? null,
    mac: token.mac,
  };
}

export function tokenOf(row: Selectable<Tables["tokens"]>): TokenRecord {
  return {
    id: row.id as TokenId,
    principalId: row.principal_id as PrincipalId,
    hash: row.hash,
    label: row.label,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms ?? undefined,
    revokedAtMs: row.revoked_at_ms ?? undefined,
    mac: row.mac,
  };
}
