import type { Grant, Role } from "../access/principal.ts";
import type { VouchedRows } from "../access/vouched-rows.ts";
import { uuid } from "../crypto/random.ts";
import type { TokenId } from "../ids.ts";
import type { FormerPrincipalStore } from "../ports/store.ts";

/**
 * Takes principals of release 0.1.0 over: same id, name, roles and token. One whose MAC does not verify is left where it
 * is, which is an alarm, and may not call.
 */
export async function adoptFormerPrincipals(ports: {
  readonly store: FormerPrincipalStore;
  readonly vouchedRows: VouchedRows;
}): Promise<void> {
  const { store, vouchedRows } = ports;
  for (const former of await store.listFormerPrincipals({})) {
    if (!(await vouchedRows.isFormerPrincipal(former))) continue;
    const { id, name, createdAtMs } = former;
    const principal = await vouchedRows.vouchForPrincipal({
      id,
      name,
      kind: "service",
      state: "enabled",
      grants: former.roles.map((role): Grant => ({ role: role as Role, projectId: undefined })),
      requestsPerSecond: undefined,
      identity: undefined,
      certificate: undefined,
      createdAtMs,
      revision: 1,
    });
    const token = await vouchedRows.vouchForToken({
      id: uuid() as TokenId,
      principalId: id,
      hash: former.tokenHash,
      label: "of release 0.1.0",
      createdAtMs,
      expiresAtMs: undefined,
      revokedAtMs: undefined,
    });
    await store.adoptFormerPrincipal({ principal, token });
  }
}
