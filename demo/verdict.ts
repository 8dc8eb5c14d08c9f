import type { Outcome } from "./outcome.ts";

/** What of an outcome fails the run. */
export type Judged = Pick<
  Outcome,
  "failedRequests" | "lostKeys" | "ciphertexts" | "keksReenciphered" | "auditVerified" | "to"
> & {
  readonly censusAfter: readonly { readonly vp: string; readonly current: number }[];
};

/**
 * Why the run failed; empty when it did not. No request may have failed and no key may be lost, every KEK must be in
 * use under the target and no other, and there must have been something to lose. Latency is shown, and fails nothing.
 */
export function faultsOf(outcome: Judged): readonly string[] {
  const { failedRequests, lostKeys, ciphertexts, keksReenciphered, auditVerified, to, censusAfter } = outcome;
  const faults: string[] = [];
  if (failedRequests > 0) faults.push(`${failedRequests} requests failed`);
  if (lostKeys > 0) faults.push(`${lostKeys} keys are lost`);
  if (ciphertexts === 0) faults.push("no ciphertext was kept, so nothing is proved");
  if (!auditVerified) faults.push("the audit log was not verified");
  if (keksReenciphered === 0) faults.push("no KEK was re-enciphered");
  const inUse = censusAfter.filter(({ current }) => current > 0);
  const [only] = inUse;
  if (inUse.length !== 1 || only?.vp !== to) {
    faults.push(`KEKs are in use under ${inUse.length} patterns, not under the target alone`);
  }
  return faults;
}
