import type { PrincipalView, RouteReply, TokenView } from "@claviger/api";
import type { CallInput } from "./call.ts";
import type { Caller, PageQuery } from "./caller.ts";
import { WHOLE_PAGE } from "./caller.ts";
import type { Page } from "./pages.ts";
import { eachItem } from "./pages.ts";

/** A principal to create: its name, kind, roles and limit, and when its first token ends. */
export type NewPrincipal = CallInput<"createPrincipal">["body"];
/** A role, for one project or, without `project`, for the whole service. */
export type Grant = CallInput<"grantRole">["body"];
/** A person as an OpenID Connect issuer names it: `iss` and `sub` of its ID tokens. */
export type Identity = CallInput<"linkIdentity">["body"];
/** A token to create: what it is for, and when it ends. */
export type NewToken = CallInput<"createToken">["body"];

/** Principals: who may call, with which roles, and with which tokens. A principal is named by its name or its id. */
export class Principals {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Creates a principal. Its first token is in the reply and nowhere else. Errors: `principal-exists`. */
  create(principal: NewPrincipal): Promise<RouteReply<"createPrincipal">> {
    return this.#caller.call("createPrincipal", { body: principal });
  }

  /** One page of principals, in the order in which they were created. */
  list(page: PageQuery = {}): Promise<Page<PrincipalView>> {
    return this.#caller.call("listPrincipals", { query: page });
  }

  /** Every principal. */
  all(): AsyncGenerator<PrincipalView, void, undefined> {
    return eachItem((after) => this.list({ limit: WHOLE_PAGE, after }));
  }

  /** One principal. Errors: `principal-not-found`. */
  get(principal: string): Promise<PrincipalView> {
    return this.#caller.call("getPrincipal", { params: { principal } });
  }

  /** The principal of the token or certificate that this client calls with. */
  whoAmI(): Promise<PrincipalView> {
    return this.#caller.call("whoAmI", {});
  }

  /** Lets a principal call again. */
  enable(principal: string): Promise<PrincipalView> {
    return this.#caller.call("enablePrincipal", { params: { principal } });
  }

  /** Refuses every request of the principal, at once. Errors: `administrator-needed` for the last administrator. */
  disable(principal: string): Promise<PrincipalView> {
    return this.#caller.call("disablePrincipal", { params: { principal } });
  }

  /** Gives a role, for one project or, without `project`, for the whole service. */
  grant(principal: string, grant: Grant): Promise<PrincipalView> {
    return this.#caller.call("grantRole", { params: { principal }, body: grant });
  }

  /** Takes a role, at once. Errors: `administrator-needed`. */
  withdraw(principal: string, grant: Grant): Promise<PrincipalView> {
    return this.#caller.call("withdrawRole", { params: { principal }, body: grant });
  }

  /** Limits its requests a second; `undefined` gives it the limit of the configuration again. */
  limit(principal: string, requestsPerSecond: number | undefined): Promise<PrincipalView> {
    const body = requestsPerSecond === undefined ? {} : { requestsPerSecond };
    return this.#caller.call("limitPrincipal", { params: { principal }, body });
  }

  /** Has a person sign in as this subject of this issuer. Errors: `identity-taken`, `identity-needs-person`. */
  link(principal: string, identity: Identity): Promise<PrincipalView> {
    return this.#caller.call("linkIdentity", { params: { principal }, body: identity });
  }

  /** Nobody signs in as it any more; its tokens go on. */
  unlink(principal: string): Promise<PrincipalView> {
    return this.#caller.call("unlinkIdentity", { params: { principal } });
  }

  /**
   * Binds it to the client certificate of this fingerprint (SHA-256 in hex), at once; `undefined` frees it.
   * Errors: `certificate-taken`; of oneself `certificate-not-proved`, `credential-needed`.
   */
  bindCertificate(principal: string, fingerprint: string | undefined): Promise<PrincipalView> {
    return fingerprint === undefined
      ? this.#caller.call("unbindCertificate", { params: { principal } })
      : this.#caller.call("bindCertificate", { params: { principal }, body: { fingerprint } });
  }

  /** Another token, which is in the reply and nowhere else. */
  createToken(principal: string, token: NewToken = {}): Promise<RouteReply<"createToken">> {
    return this.#caller.call("createToken", { params: { principal }, body: token });
  }

  /** Its tokens, without what is secret in them. */
  async listTokens(principal: string): Promise<TokenView[]> {
    return (await this.#caller.call("listTokens", { params: { principal } })).items;
  }

  /** Revokes a token, at once and for ever. Errors: `token-not-found`. */
  revokeToken(principal: string, token: string): Promise<TokenView> {
    return this.#caller.call("revokeToken", { params: { principal, token } });
  }
}
