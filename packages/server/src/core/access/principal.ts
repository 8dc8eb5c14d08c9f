import type { PrincipalId, ProjectId, TokenId } from "../ids.ts";

/** What a principal may be. Which role may do what is stated route by route in the protocol's table. */
export type Role = "administrator" | "custodian" | "operator" | "key-admin" | "key-user" | "auditor";

/** Roles that may be granted for one project only: what the others do concerns every project. */
export const PROJECT_ROLES: readonly Role[] = ["key-admin", "key-user", "auditor"];

/** A role, for one project or (undefined) for the whole service. */
export interface Grant {
  readonly role: Role;
  readonly projectId: ProjectId | undefined;
}

export type PrincipalKind = "person" | "service";
export type PrincipalState = "enabled" | "disabled";

/** Who a person is to the issuer of the service (OpenID Connect Core §2: `iss` and `sub`, which together are unique). */
export interface Identity {
  readonly issuer: string;
  readonly subject: string;
}

/** A person or service that may call. Never deleted: history and records name it. `mac` vouches for every other member. */
export interface PrincipalRecord {
  readonly id: PrincipalId;
  /** Unique, and for ever; what records and history show. */
  readonly name: string;
  readonly kind: PrincipalKind;
  readonly state: PrincipalState;
  readonly grants: readonly Grant[];
  /** Requests a second that it may make; undefined: what the configuration says. */
  readonly requestsPerSecond: number | undefined;
  /** What a person signs in as; of one principal only. */
  readonly identity: Identity | undefined;
  /**
   * SHA-256 of its client certificate, 64 hex digits in lower case; of one principal only. It proves the principal
   * without a token, and the principal's tokens are good for nothing without it.
   */
  readonly certificate: string | undefined;
  readonly createdAtMs: number;
  /** Counts every change of the row. */
  readonly revision: number;
  readonly mac: Uint8Array;
}

/** A bearer token of a principal, of which only the hash is kept. `mac` vouches for every other member. */
export interface TokenRecord {
  readonly id: TokenId;
  readonly principalId: PrincipalId;
  /** SHA-256 of the token. */
  readonly hash: Uint8Array;
  /** What it is for; shown in lists. */
  readonly label: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | undefined;
  readonly revokedAtMs: number | undefined;
  readonly mac: Uint8Array;
}

/** Who calls, as its token or its certificate proved. */
export interface Principal {
  readonly id: PrincipalId;
  readonly name: string;
  readonly grants: readonly Grant[];
  /** The token that it called with, and when that ends; undefined when its certificate alone proved it. */
  readonly token: Pick<TokenRecord, "id" | "expiresAtMs"> | undefined;
  /** SHA-256 of the client certificate that its connection has proved, whoever that is bound to. */
  readonly certificate?: string;
}

/** Whether it has one of these roles somewhere. */
export function hasRole({ grants }: Pick<Principal, "grants">, roles: readonly Role[]): boolean {
  return grants.some(({ role }) => roles.includes(role));
}

/** Whether it has one of these roles for the whole service. */
export function hasRoleEverywhere({ grants }: Pick<Principal, "grants">, roles: readonly Role[]): boolean {
  return grants.some(({ role, projectId }) => projectId === undefined && roles.includes(role));
}

/** Whether it has one of these roles for that project or for the whole service. */
export function hasRoleIn(
  { grants }: Pick<Principal, "grants">,
  roles: readonly Role[],
  project: ProjectId,
): boolean {
  return grants.some(
    ({ role, projectId }) => roles.includes(role) && (projectId === undefined || projectId === project),
  );
}
