import type { Grant, Identity, PrincipalRecord } from "../access/principal.ts";
import { PROJECT_ROLES } from "../access/principal.ts";
import type { Revocations } from "../access/revocations.ts";
import type { VouchedRows } from "../access/vouched-rows.ts";
import { Failure } from "../errors.ts";
import type { PrincipalStore } from "../ports/store.ts";

/** Grants of one principal at most: every request looks through them. */
const GRANTS_LIMIT = 100;

export interface PrincipalPorts {
  readonly store: Pick<PrincipalStore, "findPrincipal" | "updatePrincipal">;
  readonly vouchedRows: VouchedRows;
  readonly revocations: Revocations;
}

/** By id or by name. @throws Failure `principal-not-found`, `record-not-vouched`. */
export async function principalNamed(
  ports: Pick<PrincipalPorts, "store" | "vouchedRows">,
  ref: string,
): Promise<PrincipalRecord> {
  const found = await ports.store.findPrincipal({ ref });
  if (!found) throw new Failure("principal-not-found", undefined, { field: "principal" });
  return ports.vouchedRows.checkPrincipal(found);
}

/**
 * Changes what a principal is and may, at once for all of its tokens.
 * @throws Failure `principal-not-found`, `principal-changed`, `administrator-needed` when nobody would be administrator,
 * `identity-taken` and `certificate-taken` for what is another principal's.
 */
export async function changePrincipal(
  ports: PrincipalPorts,
  input: {
    readonly principal: string;
    readonly change: (
      principal: PrincipalRecord,
    ) => Partial<
      Pick<PrincipalRecord, "state" | "grants" | "requestsPerSecond" | "identity" | "certificate">
    >;
  },
): Promise<PrincipalRecord> {
  const { mac: _mac, ...members } = await principalNamed(ports, input.principal);
  const principal = await ports.vouchedRows.vouchForPrincipal({
    ...members,
    ...input.change({ ...members, mac: _mac }),
    revision: members.revision + 1,
  });
  const outcome = await ports.store.updatePrincipal({ principal });
  ports.revocations.withdrawn();
  if (outcome === "changed-meanwhile") throw new Failure("principal-changed");
  if (outcome === "last-administrator") throw new Failure("administrator-needed");
  if (outcome === "identity-taken") throw new Failure("identity-taken");
  if (outcome === "certificate-taken")
    throw new Failure("certificate-taken", undefined, { field: "fingerprint" });
  return principal;
}

/** The grants with `grant` among them. @throws Failure `invalid-request` for more than fit, or a role that no project has. */
export function withGrant(grants: readonly Grant[], grant: Grant): readonly Grant[] {
  refuseMisplaced(grant);
  if (grants.some((one) => isSame(one, grant))) return grants;
  if (grants.length >= GRANTS_LIMIT)
    throw new Failure("invalid-request", `a principal has at most ${GRANTS_LIMIT} roles`, { field: "role" });
  return [...grants, grant];
}

export function withoutGrant(grants: readonly Grant[], grant: Grant): readonly Grant[] {
  return grants.filter((one) => !isSame(one, grant));
}

/** @throws Failure `identity-needs-person`. */
export function withIdentity(
  { kind }: PrincipalRecord,
  identity: Identity,
): Pick<PrincipalRecord, "identity"> {
  if (kind !== "person") throw new Failure("identity-needs-person");
  return { identity };
}

function refuseMisplaced({ role, projectId }: Grant): void {
  if (projectId === undefined || PROJECT_ROLES.includes(role)) return;
  throw new Failure(
    "invalid-request",
    `${role} is a role for the whole service; for one project there are ${PROJECT_ROLES.join(", ")}`,
    { field: "project" },
  );
}

function isSame(a: Grant, b: Grant): boolean {
  return a.role === b.role && a.projectId === b.projectId;
}
