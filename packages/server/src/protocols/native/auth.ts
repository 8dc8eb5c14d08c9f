import type { GuardedRouteName } from "@claviger/api";
import type { Wanted } from "../../core/access/admission.ts";
import type { Credentials } from "../../core/access/authentication.ts";
import type { Principal } from "../../core/access/principal.ts";
import { Failure } from "../../core/errors.ts";
import { ROUTE_ROLES } from "./roles.ts";

/** How a caller is let in; each throws the Failure that refuses it. */
export interface Gate {
  /** Who calls, one request of whom is counted. Throws Failure `unauthenticated` and its like. */
  readonly authenticate: (credentials: Credentials) => Promise<Principal>;
  readonly admit: (caller: Principal, wanted: Wanted) => Promise<void>;
  readonly revocations: {
    readonly seen: number;
    read(): Promise<number>;
  };
}

/** RFC 6750 §2.1, and RFC 9110 §11.1: the name of the scheme is in any case. */
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]{1,512}={0,2})$/i;

/** Who was let in, and the count of revocations under which. */
export interface Admission {
  readonly caller: Principal;
  readonly revocations: number;
}

/** What a request says before its body is read. */
export interface Asking {
  /** Id of the request. */
  readonly id: string;
  readonly authorization: string | undefined;
  /** SHA-256 of the client certificate that was verified in the handshake, in lower-case hex. */
  readonly certificate: string | undefined;
  /** What the path names. */
  readonly params: Readonly<Record<string, string>>;
}

/**
 * The principal that calls, proved by its token or, where there is no `Authorization` at all, by the verified
 * certificate of the connection.
 */
export function authenticate(
  gate: Gate,
  { authorization, certificate }: Pick<Asking, "authorization" | "certificate">,
): Promise<Principal> {
  const token = BEARER.exec(authorization ?? "")?.[1];
  if (token === undefined && (authorization !== undefined || certificate === undefined))
    throw new Failure("unauthenticated", "The request carries no bearer token.");
  return gate.authenticate({ token, certificate });
}

/** Admits a caller to a route by its roles. */
export function admitTo(
  gate: Gate,
  route: GuardedRouteName,
  caller: Principal,
  { project, principal }: Asking["params"],
): Promise<void> {
  return gate.admit(caller, { route, ...ROUTE_ROLES[route], project, principal });
}
