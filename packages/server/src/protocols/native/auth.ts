import type { RouteName } from "@claviger/api";
import type { Principal, Role } from "../../core/access/principal.ts";
import { Failure } from "../../core/errors.ts";
import { ROUTE_ROLES } from "./roles.ts";

/** Finds the principal of a token. Throws Failure `unauthenticated` for a token that is not known. */
export type Authenticate = (token: string) => Promise<Principal>;

/** RFC 6750 §2.1, and RFC 9110 §11.1: the name of the scheme is in any case. */
const BEARER = /^Bearer +([A-Za-z0-9._~+/-]{1,512}={0,2})$/i;

/** The principal that calls `route`, proved by its token and allowed by one of its roles. */
export async function authorize(
  route: RouteName,
  authorization: string | undefined,
  authenticate: Authenticate,
): Promise<Principal> {
  const token = BEARER.exec(authorization ?? "")?.[1];
  if (token === undefined) throw new Failure("unauthenticated", "The request carries no bearer token.");
  const principal = await authenticate(token);
  const allowed: readonly Role[] = ROUTE_ROLES[route];
  if (!principal.roles.some((role) => allowed.includes(role))) {
    throw new Failure("forbidden", `${route} needs one of these roles: ${allowed.join(", ")}.`);
  }
  return principal;
}
