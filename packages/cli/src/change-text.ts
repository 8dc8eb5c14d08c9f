import type { ChangeStateName, ChangeView, PlanView } from "@claviger/sdk";
import { progressOf } from "./change-progress.ts";
import { shownPattern } from "./registers.ts";
import { count, fields, paint, plain, table } from "./terminal.ts";

/** How changes and plans are shown to people. */

const NEXT_STEP = {
  PLANNED:
    "load NEW on every unit: `claviger master-key generate`, `copy`, `commit`; then `claviger change plan`",
  STAGED: "claviger change reencipher --wait",
  REENCIPHERING: "it works; `claviger change reencipher --wait` waits for READY",
  READY: "claviger change activate --wait",
  ACTIVATING: "it works; `claviger change activate --wait` waits for the verification",
  ACTIVATED: "claviger change finalize --wait",
  FINALIZING: "it works; `claviger change finalize --wait` waits for DONE",
  DONE: "`claviger change purge` gives up the old master key; `claviger change restore` goes back to it",
  PURGED: null,
  CANCELING: "it works; `claviger change cancel --wait` waits for CANCELED",
  CANCELED: null,
} as const satisfies Record<ChangeStateName, string | null>;

/** One sentence on where the change is, and what comes next: the reply to a verb. */
export function changeSentence(change: ChangeView): string {
  const state = change.paused ? `${change.state}, paused` : change.state;
  const blocked = change.blockedReason === null ? "" : `\n  blocked: ${plain(change.blockedReason)}`;
  return `Change ${change.id} is ${state}.${blocked}${nextLine(change)}`;
}

function nextLine({ id, state, approval }: ChangeView): string {
  if (approval !== null && approval.approvedBy === null) {
    const asked = `${plain(approval.requestedBy)} asked for its ${approval.action}`;
    return `\n  waits: ${asked}; another principal runs \`claviger change approve ${id}\``;
  }
  const next = NEXT_STEP[state];
  return next === null ? "" : `\n  next: ${next}`;
}

/** Everything about a change. */
export function changeText(change: ChangeView): string {
  const { approval } = change;
  const approved =
    approval === null
      ? null
      : approval.approvedBy === null
        ? "not approved yet"
        : `approved by ${approval.approvedBy}`;
  const { detail } = progressOf(change);
  const paragraphs = [
    fields([
      ["change", change.id],
      ["group", `${change.group}, type ${change.type}`],
      ["state", change.paused ? `${change.state}, paused` : change.state],
      ["blocked", change.blockedReason],
      ["from", shownPattern(change.from)],
      [
        "to",
        change.to === null ? "not known yet: NEW is not committed on every unit" : shownPattern(change.to),
      ],
      ["expected", change.expectedVp],
      ["restores", change.restores],
      ["progress", detail],
      ["freeze", change.freeze === "none" ? null : change.freeze],
      [
        "rate",
        change.rowsPerSecond === null ? null : `at most ${count(change.rowsPerSecond)} KEKs per second`,
      ],
      ["opened", `${change.openedAt} by ${change.openedBy}`],
      [
        "approval",
        approval === null ? null : `${approval.action}, asked for by ${approval.requestedBy}, ${approved}`,
      ],
      ["in spite of", approval === null ? null : plain(approval.inSpiteOf.join("; ")) || null],
      ["next", NEXT_STEP[change.state]],
    ]),
    table(
      ["AT", "STATE", "BY", "NOTE"],
      change.history.map(({ at, state, by, note }) => [at, state, by, note]),
      "No history.",
    ),
  ];
  if (change.failures.length > 0) {
    const rows = change.failures.map((row) => [row.projectId, row.kekId, count(row.attempt), row.reason]);
    paragraphs.push(table(["PROJECT", "KEK", "ATTEMPT", "FAILED BECAUSE"], rows, ""));
  }
  return paragraphs.join("\n\n");
}

/** One row a change. */
export function changeTable(changes: readonly ChangeView[]): string {
  const rows = changes.map((change) => [
    change.id,
    change.group,
    change.type,
    change.state + (change.paused ? ", paused" : "") + (change.blockedReason === null ? "" : ", blocked"),
    shownPattern(change.to),
    change.openedAt,
  ]);
  return table(
    ["CHANGE", "GROUP", "TYPE", "STATE", "TO", "OPENED"],
    rows,
    "There was no master-key change yet.",
  );
}

/** What a change would meet. */
export function planText(plan: PlanView): string {
  const failed =
    plan.sampleFailed === 0 ? "all opened" : paint("red", `${count(plan.sampleFailed)} did not open`);
  const obstacles = plan.obstacles.flatMap(({ what, advice, overridable }) => [
    `${paint("yellow", "!")} ${plain(what)}${overridable ? " (overridable)" : ""}`,
    `  → ${plain(advice)}`,
  ]);
  return [
    fields([
      ["group", `${plan.group}, type ${plan.type}`],
      ["from", shownPattern(plan.from)],
      ["to", shownPattern(plan.to)],
      ["KEKs", `${count(plan.keks)}, about ${count(Math.ceil(plan.estimatedSeconds))} s to re-encipher`],
    ]),
    `sample: ${count(plan.sampled)} KEKs, ${failed}`,
    ...(obstacles.length === 0 ? [paint("green", "No obstacle stands in the way.")] : obstacles),
  ].join("\n");
}
