import { createRemoteJWKSet, customFetch, errors, jwtVerify } from "jose";
import type { JWTPayload, JWTVerifyGetKey } from "jose";
import type { Clock } from "../core/clock.ts";
import { Failure, isFailure } from "../core/errors.ts";
import type { IdentityProvider, ProvedIdentity } from "../core/ports/identity-provider.ts";
import { boundedGet, isFetchable } from "./bounded-get.ts";

/** Asymmetric ones only: with a MAC, or none, whoever can verify, or anybody, could sign. */
const ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"];
/** An ID token is used at once; this is as long as a sign-in may take. */
const OLDEST_SECONDS = 600;
/** How far clocks may be apart. */
const TOLERANCE_SECONDS = 30;
/** OpenID Connect Core §2: at most 255 characters. */
const SUBJECT_LIMIT = 255;
const KEYS_LIFE_MS = 600_000;
/** A key that is not known has the keys fetched anew, but no more often than this. */
const KEYS_COOLDOWN_MS = 5_000;
const DISCOVERY_LIFE_MS = 3_600_000;

export interface OpenIdIssuerOptions {
  /** Exactly as its tokens name it. */
  readonly issuer: string;
  readonly clientId: string;
  /** Who its tokens are meant for; default: the client. */
  readonly audience: string | undefined;
  readonly clock: Clock;
}

/**
 * An issuer of OpenID Connect, whose keys are found by discovery (OpenID Connect Discovery §4). Nothing is asked of it
 * before somebody signs in: a daemon starts and serves without it.
 */
export function openIdIssuer(options: OpenIdIssuerOptions): IdentityProvider {
  const { issuer, clientId, clock } = options;
  let found: { readonly keys: JWTVerifyGetKey; readonly untilMs: number } | undefined;
  const keysNow = async (): Promise<JWTVerifyGetKey> => {
    if (found && clock.nowMs() < found.untilMs) return found.keys;
    const keys = keysAt(await discoverKeys(issuer));
    found = { keys, untilMs: clock.nowMs() + DISCOVERY_LIFE_MS };
    return keys;
  };
  return {
    issuer,
    clientId,
    verify: async (idToken) => {
      try {
        return provedBy(await verified(idToken, await keysNow(), options), clientId);
      } catch (error) {
        // Its keys may be elsewhere now.
        if (isFailure(error, "identity-provider-unavailable")) found = undefined;
        throw error;
      }
    },
  };
}

async function verified(
  idToken: string,
  keys: JWTVerifyGetKey,
  { issuer, clientId, audience = clientId, clock }: OpenIdIssuerOptions,
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(idToken, keys, {
      algorithms: ALGORITHMS,
      issuer,
      audience,
      requiredClaims: ["sub", "exp", "iat", "nonce"],
      maxTokenAge: OLDEST_SECONDS,
      clockTolerance: TOLERANCE_SECONDS,
      currentDate: new Date(clock.nowMs()),
    });
    return payload;
  } catch (error) {
    if (isFailure(error)) throw error;
    if (error instanceof errors.JOSEError && !FAULTS_OF_KEYS.has(error.code)) throw refused(error);
    // What is left speaks of the keys: they do not come, are none, or are too weak to be used.
    throw new Failure("identity-provider-unavailable", undefined, { cause: error });
  }
}

const FAULTS_OF_KEYS: ReadonlySet<string> = new Set([
  "ERR_JOSE_GENERIC",
  "ERR_JWKS_INVALID",
  "ERR_JWKS_TIMEOUT",
]);

/** OpenID Connect Core §3.1.3.7: a token for another party (`azp`), or for several without one, is not for us. */
function provedBy({ iss, sub, nonce, aud, azp }: JWTPayload, clientId: string): ProvedIdentity {
  const single = typeof aud === "string" || aud?.length === 1;
  if (azp === undefined ? !single : azp !== clientId) throw refused();
  if (typeof iss !== "string" || typeof nonce !== "string" || typeof sub !== "string") throw refused();
  if (sub === "" || sub.length > SUBJECT_LIMIT || /\p{Cc}/u.test(sub)) throw refused();
  return { issuer: iss, subject: sub, nonce };
}

function refused(cause?: Error): Failure {
  return new Failure("sign-in-refused", undefined, { cause });
}

function keysAt(url: URL): JWTVerifyGetKey {
  return createRemoteJWKSet(url, {
    cacheMaxAge: KEYS_LIFE_MS,
    cooldownDuration: KEYS_COOLDOWN_MS,
    [customFetch]: async () => new Response(await boundedGet(url)),
  });
}

async function discoverKeys(issuer: string): Promise<URL> {
  const base = issuer.endsWith("/") ? issuer : `${issuer}/`;
  const body = Buffer.from(await boundedGet(new URL(`${base}.well-known/openid-configuration`))).toString();
  const document = parsed(body);
  const url = typeof document.jwks_uri === "string" ? URL.parse(document.jwks_uri) : null;
  // §4.3: a document of another issuer would lend its keys to this one.
  if (document.issuer === issuer && url !== null && isFetchable(url)) return url;
  throw new Failure("identity-provider-unavailable", undefined, {
    cause: new Error(`the discovery document of ${issuer} is not that of an issuer of this name`),
  });
}

function parsed(body: string): { readonly issuer?: unknown; readonly jwks_uri?: unknown } {
  try {
    const document: unknown = JSON.parse(body);
    return typeof document === "object" && document !== null ? document : {};
  } catch (error) {
    throw new Failure("identity-provider-unavailable", undefined, { cause: error });
  }
}
