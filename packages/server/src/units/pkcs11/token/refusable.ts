import { TokenError } from "./module.ts";
import { AMBIGUOUS } from "./return-codes.ts";
import type { TokenSession } from "./token-session.ts";

/** What a token may say, beside the codes of blobs, of a wrapped key whose inside does not fit the template. */
const UNFIT: ReadonlySet<number> = new Set([
  0x07, // CKR_ARGUMENTS_BAD: NSS, of a number that is not below the modulus
  0x62, // CKR_KEY_SIZE_RANGE: NSS, of an AES key of another length
  0xd0, // CKR_TEMPLATE_INCOMPLETE: NSS, of what is no private key, or one of another type
  0xd1, // CKR_TEMPLATE_INCONSISTENT
]);

/**
 * A code that can mean both counts when it comes so often in a row: of a token that fails a tenth of its calls by such a code
 * that is once in a million.
 */
const ATTEMPTS = 6;

/**
 * What `work` makes of bytes that came from outside, or "refused" when the token refuses these bytes. A token in trouble
 * must not look like bad bytes: everything else is thrown. A code that can mean both counts as a refusal when the session
 * is alive, the token says it again and again, and does not fail at `control`, which is the same with bytes that are good.
 */
export function refusable<Result>(
  token: TokenSession,
  control: () => void,
  work: () => Result,
): Result | "refused" {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const result = tried(token, work);
    if (result !== "ambiguous") return result;
    // At first, for a token that fails always; and at last, for one that has begun to.
    if (attempt === 1 || attempt === ATTEMPTS) control();
  }
  return "refused";
}

/** The same for a key that is unwrapped by a template which is known to do. */
export function unwrappable<Result>(
  token: TokenSession,
  control: () => void,
  unwrap: () => Result,
): Result | "refused" {
  try {
    return refusable(token, control, unwrap);
  } catch (error) {
    if (error instanceof TokenError && UNFIT.has(error.code)) return "refused";
    throw error;
  }
}

function tried<Result>(
  { module, session }: TokenSession,
  work: () => Result,
): Result | "refused" | "ambiguous" {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    if (error.rule.failed === "blob") return "refused";
    if (AMBIGUOUS.has(error.code) && module.isAlive(session)) return "ambiguous";
    throw error;
  }
}
