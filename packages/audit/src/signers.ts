import { verify } from "node:crypto";
import type { KeyIntroduction } from "./entry.ts";
import type { AuditKey } from "./signed-head.ts";
import { auditKey, introductionBytes } from "./signed-head.ts";

/**
 * The keys that may sign the heads of a log, while it is read:
 * - those that the auditor trusts, or, where none were given, those that the log brings along;
 * - a key that a record introduces, signed by the key that signs then, as soon as that key has also signed a head behind
 *   the record. Of the keys that the log brings along, one that is introduced may not sign before.
 * When a key that was introduced has signed, the one that introduced it may not sign any more: whoever steals that later
 * can continue nothing with it.
 */
export class Signers {
  readonly #may = new Map<string, AuditKey>();
  readonly #trusted: ReadonlySet<string> | undefined;
  /** By the key that introduces: what waits for its signature over the record. */
  readonly #waiting = new Map<string, AuditKey>();
  /** By the key that was introduced: by which one. */
  readonly #introducedBy = new Map<string, string>();
  readonly #retired = new Set<string>();
  #last: string | undefined;

  constructor(trusted: readonly AuditKey[] | undefined) {
    for (const key of trusted ?? []) this.#may.set(key.fingerprint, key);
    this.#trusted = trusted && new Set(this.#may.keys());
  }

  /** A key that the log brings along. */
  bring(key: AuditKey): void {
    if (this.#trusted === undefined) this.#may.set(key.fingerprint, key);
  }

  /** Undefined for one that may not sign. */
  find(fingerprint: string): { readonly key: AuditKey; readonly isRetired: boolean } | undefined {
    const key = this.#may.get(fingerprint);
    return key && { key, isRetired: this.#retired.has(fingerprint) };
  }

  /** Takes note of a key that a record introduces; false when no key that may sign has introduced it. */
  introduce({ publicKey, by, signature }: KeyIntroduction): boolean {
    const der = Buffer.from(publicKey, "base64");
    const key = keyOf(der);
    if (!key) return false;
    const { fingerprint } = key;
    if (this.#introducedBy.has(fingerprint)) return true; // the same record in another file
    if (this.#trusted === undefined) this.#may.delete(fingerprint);
    const introducer = this.find(by);
    const isTheOne = by === (this.#last ?? by) && by !== fingerprint && introducer?.isRetired === false;
    const bytes = Buffer.from(signature, "base64");
    if (!isTheOne || !verify(null, introductionBytes(der), introducer.key.key, bytes)) return false;
    this.#waiting.set(by, key);
    return true;
  }

  /** A key has signed a head behind every record that was shown. */
  hasSigned(fingerprint: string): void {
    this.#last = fingerprint;
    const next = this.#waiting.get(fingerprint);
    if (next) {
      this.#waiting.delete(fingerprint);
      this.#may.set(next.fingerprint, next);
      this.#introducedBy.set(next.fingerprint, fingerprint);
    }
    const before = this.#introducedBy.get(fingerprint);
    if (before !== undefined) this.#retired.add(before);
  }
}

function keyOf(der: Uint8Array): AuditKey | undefined {
  try {
    const key = auditKey(der);
    return key.key.asymmetricKeyType === "ed25519" ? key : undefined;
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}
