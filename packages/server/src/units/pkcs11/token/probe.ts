import type { Finding, ProofName, TokenFacts, TokenIdentity } from "../token-facts.ts";
import { CKF } from "./cryptoki.ts";
import type { Pkcs11Module, TokenInfo } from "./module.ts";
import { Probing } from "./probing.ts";
import type { Proof } from "./proof.ts";
import { EXTRACTABLE_PROOF, ODD_LENGTHS_PROOF } from "./prove-key-wrap.ts";
import { CLONING_PROOFS, IMPORT_PROOFS } from "./prove-oaep.ts";
import { RANDOM_PROOF } from "./prove-random.ts";
import { DIGEST_KEY_PROOF, SESSION_COPIES_PROOF, SESSION_KEYS_PROOF } from "./prove-session-keys.ts";
import { SIGNING_PROOFS } from "./prove-signing.ts";
import { CBC_DERIVATION_PROOF, ECB_PROOF, GCM_PROOF, HMAC_PROOF } from "./prove-symmetric.ts";
import { clockAheadMs } from "./token-clock.ts";
import type { TokenSession } from "./token-session.ts";

/*
 * What a token can do, by known answers: that it lists a mechanism proves nothing, and a wrong answer is worse than none.
 * Only session objects are made, each proof in a session of its own.
 */

/** Without these a token cannot be a unit. */
const NEEDED: ReadonlySet<ProofName> = new Set([
  "known-keys",
  "session-keys",
  "key-wrap",
  "session-copies",
  "digest-key",
  "hmac",
  "gcm",
  "cbc-derivation",
  "random",
]);

/** After keys and key wrap have been found, by which they work. */
const PROOFS: readonly Proof[] = [
  SESSION_KEYS_PROOF,
  DIGEST_KEY_PROOF,
  SESSION_COPIES_PROOF,
  HMAC_PROOF,
  GCM_PROOF,
  CBC_DERIVATION_PROOF,
  ECB_PROOF,
  RANDOM_PROOF,
  ...CLONING_PROOFS,
  ODD_LENGTHS_PROOF,
  EXTRACTABLE_PROOF,
  ...IMPORT_PROOFS,
  ...SIGNING_PROOFS,
];

const CLOCK_TOLERANCE_MS = 60_000;

/**
 * Probes the token of an open session. `onStep` is told what comes next, before it is asked of a module that may crash.
 * @throws TokenTrouble when the token or the session was lost; TokenError when the token does not answer at all.
 */
export function probe(token: TokenSession, nowMs: number, onStep: (title: string) => void): TokenFacts {
  const probing = new Probing(token, onStep);
  const info = token.token;
  const aheadMs = clockAheadMs(info, nowMs);
  probing.findKnownKeys();
  probing.findKeyWrap();
  for (const proof of PROOFS) probing.examine(proof);
  const { findings, keyWrap, kwp } = probing;
  const proven = findings.filter(({ outcome }) => outcome === "proven").map(({ name }) => name);
  const isProven = ({ name }: { readonly name: ProofName }) => proven.includes(name);
  return {
    identity: identityOf(token.module, info),
    mechanismCount: probing.listed.size,
    findings,
    keyWrap,
    kwp,
    proven,
    abilities: {
      payloadSuite3: isProven(CBC_DERIVATION_PROOF),
      signing: SIGNING_PROOFS.filter(isProven).map(({ spec }) => spec),
      imports: IMPORT_PROOFS.filter(isProven).map(({ algorithm }) => algorithm),
      cloneWith: CLONING_PROOFS.filter(isProven).map(({ hash }) => hash),
      recallOld: isProven(SESSION_COPIES_PROOF),
    },
    clockAheadMs: aheadMs,
    unfit: findings
      .filter(({ name, outcome }) => outcome !== "proven" && NEEDED.has(name))
      .map(({ title, note }) => `${title}: ${note}.`),
    warnings: warnings(findings, info, aheadMs),
  };
}

function warnings(
  findings: readonly Finding[],
  { flags }: TokenInfo,
  aheadMs: TokenFacts["clockAheadMs"],
): readonly string[] {
  const isRefused = (name: ProofName) =>
    findings.some((each) => each.name === name && each.outcome === "refused");
  const said: string[] = [];
  if ((flags & CKF.LOGIN_REQUIRED) === 0) said.push("The token asks for no PIN.");
  if (isRefused("extractable-enforced"))
    said.push(
      "The token does not keep in what is not extractable: whoever has the PIN can wrap its master keys.",
    );
  if (isRefused("odd-lengths"))
    said.push(
      "Keys are wrapped in multiples of 8 bytes only: private keys have up to 7 zero bytes behind them.",
    );
  if (aheadMs === "unreadable") said.push("The token's clock gives no time in the form of the standard.");
  if (typeof aheadMs === "number" && Math.abs(aheadMs) > CLOCK_TOLERANCE_MS)
    said.push(`The token's clock differs from this machine's by ${Math.round(Math.abs(aheadMs) / 1000)} s.`);
  return said;
}

function identityOf(module: Pkcs11Module, info: TokenInfo): TokenIdentity {
  const { manufacturer, model, firmware, label, serial } = info;
  return { library: module.library(), manufacturer, model, firmware, label, serial };
}
