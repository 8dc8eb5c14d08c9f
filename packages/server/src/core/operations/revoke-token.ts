import { requireOtherCredential } from "../access/keep-credential.ts";
import type { PrincipalRecord, TokenRecord } from "../access/principal.ts";
import type { Revocations } from "../access/revocations.ts";
import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { Failure } from "../errors.ts";
import type { TokenId } from "../ids.ts";
import type { PrincipalStore, TokenStore } from "../ports/store.ts";

/**
 * Revokes a token for ever, at once; one that is revoked already stays as it is.
 * @throws Failure `token-not-found`, also for the token of another principal than `of`; `credential-needed` when the only
 * administrator would have nothing left.
 */
export async function revokeToken(
  ports: {
    readonly store: Pick<TokenStore, "findToken" | "listTokens" | "revokeToken"> &
      Pick<PrincipalStore, "listPrincipals">;
    readonly vouchedRows: VouchedRows;
    readonly revocations: Revocations;
    readonly clock: Clock;
  },
  input: { readonly token: TokenId; readonly of: PrincipalRecord },
): Promise<TokenRecord> {
  const found = await ports.store.findToken({ id: input.token });
  if (found?.principalId !== input.of.id) throw new Failure("token-not-found");
  const token = await ports.vouchedRows.checkToken(found);
  if (token.revokedAtMs !== undefined) return token;
  await requireOtherCredential(ports, input.of, token.id);
  const { mac: _mac, ...members } = token;
  const revoked = await ports.vouchedRows.vouchForToken({ ...members, revokedAtMs: ports.clock.nowMs() });
  const outcome = await ports.store.revokeToken({ token: revoked });
  ports.revocations.withdrawn();
  const now = outcome === "revoked" ? revoked : await ports.store.findToken({ id: input.token });
  if (!now) throw new Failure("token-not-found");
  return now;
}
