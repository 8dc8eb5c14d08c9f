import type { Grant, PrincipalKind, PrincipalRecord, TokenRecord } from "../access/principal.ts";
import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import { uuid } from "../crypto/random.ts";
import { Failure } from "../errors.ts";
import type { PrincipalId } from "../ids.ts";
import type { PrincipalStore } from "../ports/store.ts";
import { newToken } from "./create-token.ts";

export interface NewPrincipal {
  readonly name: string;
  readonly kind: PrincipalKind;
  readonly grants: readonly Grant[];
  readonly requestsPerSecond: number | undefined;
  /** When its first token ends. */
  readonly expiresAtMs: number | undefined;
  /** The token itself, where it is there already: that of the first administrator. */
  readonly token?: string;
}

/**
 * Creates a principal with a first token, which is returned this once.
 * @throws Failure `principal-exists`.
 */
export async function createPrincipal(
  ports: {
    readonly store: Pick<PrincipalStore, "createPrincipal">;
    readonly vouchedRows: VouchedRows;
    readonly clock: Clock;
  },
  input: NewPrincipal,
): Promise<{ readonly principal: PrincipalRecord; readonly record: TokenRecord; readonly token: string }> {
  const createdAtMs = ports.clock.nowMs();
  const principal = await ports.vouchedRows.vouchForPrincipal({
    id: uuid() as PrincipalId,
    name: input.name,
    kind: input.kind,
    state: "enabled",
    grants: input.grants,
    requestsPerSecond: input.requestsPerSecond,
    identity: undefined,
    certificate: undefined,
    createdAtMs,
    revision: 1,
  });
  const { record, token } = await newToken(ports, {
    principalId: principal.id,
    label: "first",
    expiresAtMs: input.expiresAtMs,
    token: input.token,
  });
  if ((await ports.store.createPrincipal({ principal, token: record })) === "name-taken") {
    throw new Failure("principal-exists", undefined, { field: "name" });
  }
  return { principal, record, token };
}
