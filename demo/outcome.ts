import type { CensusView } from "@claviger/sdk";
import type { Reckoning } from "./load/decrypt-all.ts";
import { percentileMs } from "./load/latencies.ts";
import type { Tally } from "./load/tally.ts";
import { sumTallies } from "./load/tally.ts";
import type { Measured } from "./phases.ts";

/** A p99 during the change of at most so many times that before is the goal; missing it fails nothing. */
export const P99_GOAL = 2;

/** What a run came to, in the members of the JSON object. */
export interface Outcome {
  readonly projects: number;
  readonly units: number;
  /** Requests of the traffic, failed ones included. */
  readonly requests: number;
  readonly failedRequests: number;
  /** Codes of the failures, with how often each came. */
  readonly failures: Readonly<Record<string, number>>;
  readonly capacityPerSecond: number;
  readonly requestsPerSecond: number;
  readonly ciphertexts: number;
  readonly keys: number;
  readonly lostKeys: number;
  readonly keksReenciphered: number;
  readonly keksPerSecond: number;
  readonly keksVerified: number;
  readonly verifiedPerSecond: number;
  readonly p50BeforeMs: number | null;
  readonly p99BeforeMs: number | null;
  readonly p50DuringMs: number | null;
  readonly p99DuringMs: number | null;
  readonly p50AfterMs: number | null;
  readonly p99AfterMs: number | null;
  readonly p99Ratio: number | null;
  readonly p99WithinGoal: boolean;
  readonly from: string;
  readonly to: string;
  readonly censusBefore: CensusView["patterns"];
  readonly censusAfter: CensusView["patterns"];
  /** Whether the audit log of the run was verified and had no fault. */
  readonly auditVerified: boolean;
  readonly auditRecords: number;
  readonly auditSeconds: number;
  readonly changeSeconds: number;
  /** Of the whole run. */
  readonly seconds: number;
}

/** What verification of the audit log came to. */
export interface AuditCheck {
  readonly verified: boolean;
  readonly records: number;
  readonly seconds: number;
}

export function outcomeOf(
  run: { readonly projects: number; readonly units: number; readonly seconds: number },
  measured: Measured,
  reckoning: Reckoning,
  audit: AuditCheck,
): Outcome {
  const { before, during, after, change, censusBefore, censusAfter } = measured;
  const all = sumTallies([measured.warmUp, before, during, after]);
  const p99 = (tally: Tally) => percentileMs(tally.latencies, 99);
  const p50 = (tally: Tally) => percentileMs(tally.latencies, 50);
  const ratio = ratioOf(p99(during), p99(before));
  return {
    projects: run.projects,
    units: run.units,
    requests: all.served + all.failed,
    failedRequests: all.failed,
    failures: Object.fromEntries(all.failures),
    capacityPerSecond: Math.round(measured.capacity),
    requestsPerSecond: Math.round(measured.perSecond),
    ...reckoning,
    keksReenciphered: change.keksReenciphered,
    keksPerSecond: Math.round(change.keksReenciphered / change.reencipherSeconds),
    keksVerified: change.keksVerified,
    verifiedPerSecond: Math.round(change.keksVerified / change.verifySeconds),
    p50BeforeMs: p50(before),
    p99BeforeMs: p99(before),
    p50DuringMs: p50(during),
    p99DuringMs: p99(during),
    p50AfterMs: p50(after),
    p99AfterMs: p99(after),
    p99Ratio: ratio,
    p99WithinGoal: ratio !== null && ratio <= P99_GOAL,
    from: change.from,
    to: change.to,
    censusBefore: censusBefore.patterns,
    censusAfter: censusAfter.patterns,
    auditVerified: audit.verified,
    auditRecords: audit.records,
    auditSeconds: Math.round(audit.seconds * 10) / 10,
    changeSeconds: Math.round(change.seconds * 10) / 10,
    seconds: Math.round(run.seconds * 10) / 10,
  };
}

/** As it is shown, with two decimals: what is said of it must be true of what is seen. */
function ratioOf(a: number | null, b: number | null): number | null {
  return a === null || b === null || b === 0 ? null : Math.round((a / b) * 100) / 100;
}
