import type { Clock } from "../clock.ts";
import { Failure } from "../errors.ts";
import type { PrincipalId, TokenId } from "../ids.ts";
import type { PrincipalStore, TokenStore } from "../ports/store.ts";
import type { PrincipalRecord } from "./principal.ts";
import { hasRoleEverywhere } from "./principal.ts";

/** @throws Failure `credential-needed` when the only administrator would lose its last credential with this token. */
export async function requireOtherCredential(
  ports: {
    readonly store: Pick<TokenStore, "listTokens"> & Pick<PrincipalStore, "listPrincipals">;
    readonly clock: Clock;
  },
  principal: PrincipalRecord,
  token: TokenId,
): Promise<void> {
  if (!isAdministrator(principal) || principal.certificate !== undefined || principal.identity !== undefined)
    return;
  const nowMs = ports.clock.nowMs();
  const tokens = await ports.store.listTokens({ principalId: principal.id });
  const isGood = ({ id, revokedAtMs, expiresAtMs }: (typeof tokens)[number]): boolean =>
    id !== token && revokedAtMs === undefined && (expiresAtMs === undefined || expiresAtMs > nowMs);
  const isThere = tokens.some(({ id, revokedAtMs }) => id === token && revokedAtMs === undefined);
  if (!isThere || tokens.some(isGood) || (await hasAnotherAdministrator(ports, principal.id))) return;
  throw new Failure("credential-needed");
}

async function hasAnotherAdministrator(
  { store }: { readonly store: Pick<PrincipalStore, "listPrincipals"> },
  than: PrincipalId,
): Promise<boolean> {
  let after: string | undefined;
  do {
    const { items, next } = await store.listPrincipals({ limit: 500, after });
    if (items.some((one) => one.id !== than && isAdministrator(one))) return true;
    after = next;
  } while (after !== undefined);
  return false;
}

function isAdministrator(principal: PrincipalRecord): boolean {
  return principal.state === "enabled" && hasRoleEverywhere(principal, ["administrator"]);
}
