import type { Role } from "../access/principal.ts";
import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { accessTokenHash, newAccessToken } from "../crypto/access-token.ts";
import { uuid } from "../crypto/random.ts";
import { Failure } from "../errors.ts";
import type { PrincipalId } from "../ids.ts";
import type { PrincipalRecord, PrincipalStore } from "../ports/store.ts";

/**
 * Creates a principal. The token, a new one if none is given, is returned this once.
 * @throws Failure `principal-exists`.
 */
export async function createPrincipal(
  ports: {
    readonly store: Pick<PrincipalStore, "createPrincipal">;
    readonly vouchedRows: VouchedRows;
    readonly clock: Clock;
  },
  input: { readonly name: string; readonly roles: readonly Role[]; readonly token?: string },
): Promise<{ readonly principal: PrincipalRecord; readonly token: string }> {
  const token = input.token ?? newAccessToken();
  const principal = await ports.vouchedRows.vouchForPrincipal({
    id: uuid() as PrincipalId,
    name: input.name,
    roles: input.roles,
    tokenHash: accessTokenHash(token),
    createdAtMs: ports.clock.nowMs(),
  });
  if ((await ports.store.createPrincipal({ principal })) === "name-taken") {
    throw new Failure("principal-exists", undefined, { field: "name" });
  }
  return { principal, token };
}
