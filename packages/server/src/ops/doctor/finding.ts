/**
 * - `ok`: as it should be.
 * - `warning`: it works, but less well guarded than it could be.
 * - `broken`: must be mended; `doctor` ends with a status of its own.
 * - `unknown`: cannot be told from here.
 */
export type Verdict = "ok" | "warning" | "broken" | "unknown";

/** What one check of the doctor found. */
export interface Finding {
  readonly check: string;
  readonly verdict: Verdict;
  /** One clause: how it is. */
  readonly found: string;
  /** One sentence: what to do; null where nothing is to be done. */
  readonly advice: string | null;
}

export function finding(
  check: string,
  verdict: Verdict,
  found: string,
  advice: string | null = null,
): Finding {
  return { check, verdict, found, advice };
}
