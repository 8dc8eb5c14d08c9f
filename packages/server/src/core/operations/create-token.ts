import type { PrincipalRecord, TokenRecord } from "../access/principal.ts";
import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { accessTokenHash, newAccessToken } from "../crypto/access-token.ts";
import { uuid } from "../crypto/random.ts";
import { Failure } from "../errors.ts";
import type { PrincipalId, TokenId } from "../ids.ts";
import type { TokenStore } from "../ports/store.ts";

interface TokenPorts {
  readonly vouchedRows: VouchedRows;
  readonly clock: Clock;
}

/** A token and its record, which is not stored yet. */
export async function newToken(
  ports: TokenPorts,
  input: {
    readonly principalId: PrincipalId;
    readonly label: string;
    readonly expiresAtMs: number | undefined;
    readonly token?: string | undefined;
  },
): Promise<{ readonly record: TokenRecord; readonly token: string }> {
  const token = input.token ?? newAccessToken();
  const record = await ports.vouchedRows.vouchForToken({
    id: uuid() as TokenId,
    principalId: input.principalId,
    hash: accessTokenHash(token),
    label: input.label,
    createdAtMs: ports.clock.nowMs(),
    expiresAtMs: input.expiresAtMs,
    revokedAtMs: undefined,
  });
  return { record, token };
}

/**
 * Gives a principal another token, which is returned this once. One that a principal makes for itself lasts no longer
 * than `atMostMs`, the end of the token that it called with: who found a token cannot outlive it.
 * @throws Failure `invalid-request` when it would have ended already.
 */
export async function createToken(
  ports: TokenPorts & { readonly store: Pick<TokenStore, "createToken"> },
  input: {
    readonly principal: PrincipalRecord;
    readonly label: string;
    readonly expiresAtMs: number | undefined;
    readonly atMostMs: number | undefined;
  },
): Promise<{ readonly record: TokenRecord; readonly token: string }> {
  const ends = [input.expiresAtMs, input.atMostMs].filter((ms) => ms !== undefined);
  const expiresAtMs = ends.length === 0 ? undefined : Math.min(...ends);
  if (expiresAtMs !== undefined && expiresAtMs <= ports.clock.nowMs()) {
    throw new Failure("invalid-request", "a token ends in the future", { field: "expiresInSeconds" });
  }
  const { id: principalId } = input.principal;
  const made = await newToken(ports, { principalId, label: input.label, expiresAtMs });
  await ports.store.createToken({ token: made.record });
  return made;
}
