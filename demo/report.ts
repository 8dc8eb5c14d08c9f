import type { CensusView } from "@claviger/sdk";
import { CHANGE_PARTS, shown } from "./change-run.ts";
import type { ChangePart } from "./change-run.ts";
import { percentileMs } from "./load/latencies.ts";
import type { Tally } from "./load/tally.ts";
import { P99_GOAL } from "./outcome.ts";
import type { Outcome } from "./outcome.ts";
import type { Measured } from "./phases.ts";
import { count } from "./progress.ts";

const PART_NAMES = {
  stage: "  NEW made and committed",
  reencipher: "  KEKs re-enciphered",
  activate: "  activated and verified",
  finalize: "  finalized",
} as const satisfies Record<ChangePart, string>;

/** The table at the end. */
export function report(outcome: Outcome, measured: Measured, faults: readonly string[]): string {
  const { before, during, after, parts, warmUp, change } = measured;
  return [
    "",
    row("requests", ["served", "failed", "p50 ms", "p99 ms", "longest"]),
    row("calibration", [count(warmUp.served), count(warmUp.failed)]),
    tallyRow("before the change", before),
    tallyRow("during the change", during),
    ...CHANGE_PARTS.map((part) => tallyRow(PART_NAMES[part], parts[part])),
    tallyRow("after the change", after),
    "",
    `p99        during is ${outcome.p99Ratio ?? "?"} times before: the goal, at most ${P99_GOAL} times, is ${outcome.p99WithinGoal ? "met" : "MISSED"}`,
    `traffic    ${count(outcome.requestsPerSecond)} requests a second, of ${count(outcome.capacityPerSecond)} that the server takes`,
    `KEKs       ${count(outcome.keksReenciphered)} re-enciphered and read back in ${change.reencipherSeconds.toFixed(1)} s, ${count(outcome.keksPerSecond)} a second`,
    `           ${count(outcome.keksVerified)} opened on ${outcome.units} activated units in ${change.verifySeconds.toFixed(1)} s, ${count(outcome.verifiedPerSecond)} a second`,
    `census     before   ${censusLine(outcome.censusBefore)}`,
    `           after    ${censusLine(outcome.censusAfter)}`,
    `keys       ${count(outcome.ciphertexts)} ciphertexts of ${count(outcome.keys)} keys decrypted after a restart; ${count(outcome.lostKeys)} keys lost`,
    `audit      ${count(outcome.auditRecords)} records ${outcome.auditVerified ? "verified" : "NOT VERIFIED"}, exported and checked in ${outcome.auditSeconds} s`,
    `time       the change ${outcome.changeSeconds} s, all ${outcome.seconds} s`,
    "",
    ...verdictLines(outcome, faults),
    "",
  ].join("\n");
}

function verdictLines(outcome: Outcome, faults: readonly string[]): readonly string[] {
  if (faults.length === 0) return ["The master key has changed. No request failed, and every key is there."];
  const codes = Object.entries(outcome.failures).map(([code, times]) => `  ${code}: ${times}`);
  return ["FAILED", ...faults.map((fault) => `  ${fault}`), ...codes];
}

function tallyRow(name: string, tally: Tally): string {
  const { served, failed, latencies } = tally;
  const longest = latencies.count === 0 ? null : latencies.max / 1000;
  const times = [percentileMs(latencies, 50), percentileMs(latencies, 99), longest];
  return row(name, [count(served), count(failed), ...times.map((ms) => (ms === null ? "" : ms.toFixed(1)))]);
}

function row(name: string, cells: readonly string[]): string {
  return [name.padEnd(26), ...cells.map((cell) => cell.padStart(10))].join("");
}

function censusLine(patterns: CensusView["patterns"]): string {
  return patterns
    .map(({ vp, current, next, previous }) => {
      const forms = [
        [current, "in use"],
        [next, "for the change"],
        [previous, "kept from before"],
      ] as const;
      const held = forms.filter(([rows]) => rows > 0).map(([rows, what]) => `${count(rows)} ${what}`);
      return `${shown(vp)} ${held.join(", ")}`;
    })
    .join("; ");
}
