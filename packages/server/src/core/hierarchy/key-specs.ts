import type { SigningSpec } from "../crypto/signature-algorithms.ts";
import { isSigningSpec } from "../crypto/signature-algorithms.ts";
import { Failure } from "../errors.ts";

/** What a key is. */
export type KeySpec = "AES_256" | SigningSpec;

/** What a key is for: the one thing that its spec is made for. */
export type KeyUsage = "ENCRYPT_DECRYPT" | "SIGN_VERIFY";

export function usageOf(spec: KeySpec): KeyUsage {
  return isSigningSpec(spec) ? "SIGN_VERIFY" : "ENCRYPT_DECRYPT";
}

/** @throws Failure `key-usage-differs`. */
export function requireKeyUsage(key: { readonly usage: KeyUsage }, usage: KeyUsage): void {
  if (key.usage !== usage) throw new Failure("key-usage-differs", `the key is for ${key.usage}`);
}

/** The spec of a key that signs. @throws Failure `key-usage-differs`. */
export function requireSigningSpec(key: { readonly spec: KeySpec; readonly usage: KeyUsage }): SigningSpec {
  requireKeyUsage(key, "SIGN_VERIFY");
  if (!isSigningSpec(key.spec)) throw new Failure("key-usage-differs", `a key of ${key.spec} does not sign`);
  return key.spec;
}
