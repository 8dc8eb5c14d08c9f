import { ClavigerError } from "@claviger/sdk";
import * as oidc from "openid-client";
import { LoopbackRedirect } from "./loopback-redirect.ts";

/** As long as the service remembers the nonce. */
const PATIENCE_MS = 600_000;
const TIMEOUT_SECONDS = 15;
const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/** Of whom to ask an ID token, and the nonce that the service wants in it. */
export interface SignInRequest {
  readonly issuer: string;
  readonly clientId: string;
  readonly nonce: string;
}

/**
 * Has a person sign in with the issuer, and returns the ID token: the authorization code flow (OpenID Connect Core §3.1)
 * with PKCE (RFC 7636), state and nonce, as a native app (RFC 8252). `show` is given the address for the browser.
 * Rejects with ClavigerError `sign-in-refused`, `identity-provider-unavailable`.
 */
export async function askIdToken(request: SignInRequest, show: (url: string) => void): Promise<string> {
  try {
    return await askIssuer(request, show);
  } catch (error) {
    throw asClavigerError(error, request.issuer);
  }
}

async function askIssuer(
  { issuer, clientId, nonce }: SignInRequest,
  show: (url: string) => void,
): Promise<string> {
  const configuration = await discover(issuer, clientId);
  using redirect = await LoopbackRedirect.listen();
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const url = oidc.buildAuthorizationUrl(configuration, {
    redirect_uri: redirect.url,
    scope: "openid",
    nonce,
    state,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
  });
  const back = redirect.comeBack(state, AbortSignal.timeout(PATIENCE_MS));
  show(url.href);
  const tokens = await oidc.authorizationCodeGrant(configuration, await back, {
    pkceCodeVerifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
  });
  // `idTokenExpected` has made sure of it, which its type does not say.
  return tokens.id_token ?? "";
}

async function discover(issuer: string, clientId: string): Promise<oidc.Configuration> {
  const server = new URL(issuer);
  const loopback = server.protocol === "http:" && LOOPBACK.test(server.hostname);
  return oidc.discovery(server, clientId, undefined, oidc.None(), {
    // The library refuses plain HTTP by itself.
    execute: loopback ? [oidc.allowInsecureRequests] : [],
    timeout: TIMEOUT_SECONDS,
  });
}

function asClavigerError(error: unknown, issuer: string): unknown {
  if (error instanceof oidc.AuthorizationResponseError || error instanceof oidc.ResponseBodyError) {
    const why = [error.error, error.error_description].filter((part) => part !== undefined).join(": ");
    return new ClavigerError(
      {
        code: "sign-in-refused",
        category: "unauthenticated",
        message: `The issuer ${issuer} refuses: ${why}.`,
        advice: "Sign in again; if it refuses again, ask whoever runs the issuer.",
      },
      error,
    );
  }
  const timedOut = error instanceof DOMException && error.name === "TimeoutError";
  // A fetch that fails is a TypeError; what the issuer's replies lack is a ClientError.
  if (!timedOut && !(error instanceof TypeError) && !(error instanceof oidc.ClientError)) return error;
  return new ClavigerError(
    {
      code: "identity-provider-unavailable",
      category: "unavailable",
      message: timedOut
        ? "Nobody signed in within ten minutes."
        : `The issuer ${issuer} cannot be used: ${said(error)}.`,
      advice: timedOut
        ? "Run `claviger sign-in` again."
        : "Check that you reach the issuer, and sign in again.",
    },
    error,
  );
}

function said(error: Error): string {
  return error.cause instanceof Error && error.cause.message !== "" ? error.cause.message : error.message;
}
