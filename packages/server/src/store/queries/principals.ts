import type { Insertable, Selectable } from "kysely";
import type { Grant, Identity, PrincipalRecord, TokenRecord } from "../../core/access/principal.ts";
import { hasRoleEverywhere } from "../../core/access/principal.ts";
import type { PrincipalId, ProjectId } from "../../core/ids.ts";
import type { FormerPrincipal } from "../../core/ports/store.ts";
import type { Page, PageOf } from "../../core/ports/store-call.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, first, hold, run } from "../script.ts";
import type { Tables } from "../tables.ts";
import { pageOf, pageStart } from "./pages.ts";
import { countRevocation } from "./revocations.ts";
import { tokenRow } from "./token-rows.ts";

export function* createPrincipal(
  db: QueryBuilder,
  input: { principal: PrincipalRecord; token: TokenRecord },
) {
  const inserted = yield* run(
    db
      .insertInto("principals")
      .values(rowOf(input.principal))
      .onConflict((conflict) => conflict.doNothing()),
  );
  if (inserted === 0) return "name-taken" as const;
  yield* run(db.insertInto("tokens").values(tokenRow(input.token)));
  return "created" as const;
}

export function* findPrincipal(
  db: QueryBuilder,
  input: { ref: string },
): Script<PrincipalRecord | undefined> {
  const row = yield* first(
    db
      .selectFrom("principals")
      .selectAll()
      .where((where) => where.or([where("id", "=", input.ref), where("name", "=", input.ref)])),
  );
  return row && principalOf(row);
}

export function* findPrincipalByIdentity(
  db: QueryBuilder,
  { identity }: { identity: Identity },
): Script<PrincipalRecord | undefined> {
  const row = yield* first(
    db
      .selectFrom("principals")
      .selectAll()
      .where("issuer", "=", identity.issuer)
      .where("subject", "=", identity.subject),
  );
  return row && principalOf(row);
}

export function* findPrincipalByCertificate(
  db: QueryBuilder,
  input: { certificate: string },
): Script<PrincipalRecord | undefined> {
  const row = yield* first(
    db.selectFrom("principals").selectAll().where("certificate", "=", input.certificate),
  );
  return row && principalOf(row);
}

export function* listPrincipals(db: QueryBuilder, input: Page): Script<PageOf<PrincipalRecord>> {
  const rows = yield* all(
    db
      .selectFrom("principals")
      .selectAll()
      .where("n", ">", pageStart(input))
      .orderBy("n")
      .limit(input.limit + 1),
  );
  return pageOf(rows, input.limit, principalOf);
}

export function* updatePrincipal(db: QueryBuilder, input: { principal: PrincipalRecord }) {
  const { principal } = input;
  if (!(yield* leavesAnAdministrator(db, principal))) return "last-administrator" as const;
  const taken = yield* takenByAnother(db, principal);
  if (taken !== undefined) return taken;
  const { id: _id, name: _name, created_at_ms: _createdAtMs, ...changed } = rowOf(principal);
  const updated = yield* run(
    db
      .updateTable("principals")
      .set(changed)
      .where("id", "=", principal.id)
      .where("revision", "=", principal.revision - 1),
  );
  if (updated === 0) return "changed-meanwhile" as const;
  yield* countRevocation(db);
  return "updated" as const;
}

function* takenByAnother(db: QueryBuilder, { id, identity, certificate }: PrincipalRecord) {
  // Of two writers the second waits here and finds what the first has done, instead of meeting the unique index.
  if (identity !== undefined) yield* hold(`identity ${identity.issuer} ${identity.subject}`, "exclusive");
  if (certificate !== undefined) yield* hold(`certificate ${certificate}`, "exclusive");
  const ofIdentity = identity && (yield* findPrincipalByIdentity(db, { identity }));
  if (ofIdentity && ofIdentity.id !== id) return "identity-taken" as const;
  const ofCertificate =
    certificate === undefined ? undefined : yield* findPrincipalByCertificate(db, { certificate });
  return ofCertificate && ofCertificate.id !== id ? ("certificate-taken" as const) : undefined;
}

function* leavesAnAdministrator(db: QueryBuilder, changed: PrincipalRecord): Script<boolean> {
  const isOne = ({ state, grants }: Pick<PrincipalRecord, "state" | "grants">): boolean =>
    state === "enabled" && hasRoleEverywhere({ grants }, ["administrator"]);
  if (isOne(changed)) return true;
  // Two administrators may each take the other's rights away: they are one at a time.
  yield* hold("administrators", "exclusive");
  const others = yield* all(
    db
      .selectFrom("principals")
      .selectAll()
      .where("id", "!=", changed.id)
      .where("state", "=", "enabled")
      .where("grants", "like", "%administrator%"),
  );
  return others.some((row) => isOne(principalOf(row)));
}

export function* listFormerPrincipals(db: QueryBuilder): Script<readonly FormerPrincipal[]> {
  const rows = yield* all(db.selectFrom("former_principals").selectAll());
  return rows.map((row) => ({
    id: row.id as PrincipalId,
    name: row.name,
    roles: JSON.parse(row.roles) as string[],
    tokenHash: row.token_hash,
    createdAtMs: row.created_at_ms,
    mac: row.mac,
  }));
}

export function* adoptFormerPrincipal(
  db: QueryBuilder,
  input: { principal: PrincipalRecord; token: TokenRecord },
) {
  const former = yield* run(db.deleteFrom("former_principals").where("id", "=", input.principal.id));
  if (former === 0) return "gone" as const;
  yield* createPrincipal(db, input);
  return "adopted" as const;
}

function rowOf(principal: PrincipalRecord): Insertable<Tables["principals"]> {
  return {
    id: principal.id,
    name: principal.name,
    kind: principal.kind,
    state: principal.state,
    grants: JSON.stringify(principal.grants),
    requests_per_second: principal.requestsPerSecond ?? null,
    issuer: principal.identity?.issuer ?? null,
    subject: principal.identity?.subject ?? null,
    certificate: principal.certificate ?? null,
    created_at_ms: principal.createdAtMs,
    revision: principal.revision,
    mac: principal.mac,
  };
}

function principalOf(row: Selectable<Tables["principals"]>): PrincipalRecord {
  return {
    id: row.id as PrincipalId,
    name: row.name,
    kind: row.kind,
    state: row.state,
    grants: (JSON.parse(row.grants) as { role: Grant["role"]; projectId?: ProjectId }[]).map(
      ({ role, projectId }) => ({ role, projectId }),
    ),
    requestsPerSecond: row.requests_per_second ?? undefined,
    identity:
      row.issuer === null || row.subject === null ? undefined : { issuer: row.issuer, subject: row.subject },
    certificate: row.certificate ?? undefined,
    createdAtMs: row.created_at_ms,
    revision: row.revision,
    mac: row.mac,
  };
}
