import type { Identity } from "../access/principal.ts";

/** PORT: the issuer (OpenID Connect) that people sign in with. */
export interface IdentityProvider {
  readonly issuer: string;
  /** As which the command line signs people in: a public client, without a secret. */
  readonly clientId: string;
  /**
   * Whom an ID token names, and the nonce in it, once signature, issuer, audience and times are right.
   * @throws Failure `sign-in-refused` for a token that proves nothing here, `identity-provider-unavailable` when the
   * issuer's keys cannot be had.
   */
  verify(idToken: string): Promise<ProvedIdentity>;
}

export interface ProvedIdentity extends Identity {
  readonly nonce: string;
}
