import type { RecordableHistogram } from "node:perf_hooks";
import { newLatencies, recordMs } from "./latencies.ts";

/** What the traffic of one phase came to. A request that failed did so in spite of the SDK's repetitions. */
export interface Tally {
  /** Requests that were answered as they should be. */
  served: number;
  failed: number;
  /** Codes of the failures, with how often each came. */
  readonly failures: Map<string, number>;
  /** Of the requests that were served, from the time at which each was due. */
  readonly latencies: RecordableHistogram;
}

export function newTally(): Tally {
  return { served: 0, failed: 0, failures: new Map(), latencies: newLatencies() };
}

export function countServed(tally: Tally, latencyMs: number): void {
  tally.served += 1;
  recordMs(tally.latencies, latencyMs);
}

export function countFailed(tally: Tally, code: string, times = 1): void {
  tally.failed += times;
  tally.failures.set(code, (tally.failures.get(code) ?? 0) + times);
}

/** One tally of several: of threads, or of the parts of a phase. */
export function sumTallies(tallies: readonly Tally[]): Tally {
  const sum = newTally();
  for (const tally of tallies) {
    sum.served += tally.served;
    for (const [code, times] of tally.failures) countFailed(sum, code, times);
    if (tally.latencies.count > 0) sum.latencies.add(tally.latencies);
  }
  return sum;
}
