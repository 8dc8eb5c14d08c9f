import type { Identity, PrincipalRecord, TokenRecord } from "../access/principal.ts";
import type { SignIns } from "../access/sign-ins.ts";
import type { VouchedRows } from "../access/vouched-rows.ts";
import type { Clock } from "../clock.ts";
import type { Proved } from "../audit/request-log.ts";
import { Failure } from "../errors.ts";
import type { IdentityProvider } from "../ports/identity-provider.ts";
import type { PrincipalStore, TokenStore } from "../ports/store.ts";
import { newToken } from "./create-token.ts";

export interface SignInPorts {
  readonly store: Pick<PrincipalStore, "findPrincipalByIdentity"> & Pick<TokenStore, "createToken">;
  readonly vouchedRows: VouchedRows;
  readonly clock: Clock;
  readonly signIns: SignIns;
  /** With whom people sign in, and how long the token lasts that they get; undefined: nobody signs in. */
  readonly signInWith: SignInWith | undefined;
}

interface SignInWith {
  readonly provider: IdentityProvider;
  readonly tokenMs: number;
}

/**
 * Begins a sign-in: what the command line needs to send a person to the issuer.
 * @throws Failure `sign-in-not-configured`.
 */
export function beginSignIn({ signIns, signInWith }: SignInPorts): {
  readonly issuer: string;
  readonly clientId: string;
  readonly nonce: string;
  readonly expiresAtMs: number;
} {
  const { issuer, clientId } = configured(signInWith).provider;
  return { issuer, clientId, ...signIns.begin() };
}

/**
 * Gives the person whom an ID token names a token of this service, which is returned this once and ends soon.
 * @throws Failure `sign-in-refused`, `identity-unknown` with what an administrator has to type, `principal-disabled`,
 * `identity-provider-unavailable`, `rate-limited`, `sign-in-not-configured`.
 */
export async function signIn(
  ports: SignInPorts,
  input: { readonly idToken: string; readonly proved: Proved },
): Promise<{ readonly principal: PrincipalRecord; readonly record: TokenRecord; readonly token: string }> {
  const { store, vouchedRows, clock, signIns } = ports;
  const { provider, tokenMs } = configured(ports.signInWith);
  const principal = await signIns.attempt(async () => {
    const { nonce, ...identity } = await provider.verify(input.idToken);
    signIns.use(nonce);
    const found = await store.findPrincipalByIdentity({ identity });
    if (!found) throw unknown(identity);
    const checked = await vouchedRows.checkPrincipal(found);
    if (checked.state !== "enabled") throw new Failure("principal-disabled");
    return checked;
  });
  input.proved(principal);
  const made = await newToken(ports, {
    principalId: principal.id,
    label: "signed in",
    expiresAtMs: clock.nowMs() + tokenMs,
  });
  await store.createToken({ token: made.record });
  return { principal, ...made };
}

function configured(signInWith: SignInWith | undefined): SignInWith {
  if (signInWith === undefined) throw new Failure("sign-in-not-configured");
  return signInWith;
}

/** Says what to type; whoever reads it has just proved to be this subject of this issuer. */
function unknown({ issuer, subject }: Identity): Failure {
  const command = `claviger principal link NAME --issuer ${quoted(issuer)} --subject ${quoted(subject)}`;
  return new Failure(
    "identity-unknown",
    `No principal has this identity; an administrator links it: ${command}`,
  );
}

/** For a shell, in quotes where it needs them. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
