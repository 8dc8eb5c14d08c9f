import { createHistogram } from "node:perf_hooks";
import type { RecordableHistogram } from "node:perf_hooks";

const LONGEST_MS = 120_000;

/** Latencies in microseconds, to three digits, in constant memory; threads send theirs as they are. */
export function newLatencies(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: LONGEST_MS * 1000, figures: 3 });
}

export function recordMs(latencies: RecordableHistogram, ms: number): void {
  latencies.record(Math.min(Math.max(Math.round(ms * 1000), 1), LONGEST_MS * 1000));
}

/** A percentile in milliseconds; null where nothing was recorded. */
export function percentileMs(latencies: RecordableHistogram, percentile: number): number | null {
  return latencies.count === 0 ? null : latencies.percentile(percentile) / 1000;
}
