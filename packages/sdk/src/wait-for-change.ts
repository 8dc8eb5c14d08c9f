import type { ChangeStateName, ChangeView } from "@claviger/api";
import { ClavigerError, clientFailure } from "./claviger-error.ts";
import { hasPassed, isAtRest } from "./change-states.ts";
import { pause } from "./retry.ts";

/** A state (reached also when the change has already gone on from it), or a condition on what the API shows. */
export type Until = ChangeStateName | ((change: ChangeView) => boolean);

/** How a change is waited for. */
export interface WaitOptions {
  /** Called with every look at the change, the last one included. */
  readonly onProgress?: ((change: ChangeView) => void) | undefined;
  /** Ends the waiting (not the change); it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long the change may stay blocked, paused or not approved, or the service away, until the waiting ends; default 30,000. */
  readonly patienceMs?: number | undefined;
  /** Longest time between two looks; default 500. */
  readonly pollMs?: number | undefined;
}

const FIRST_POLL_MS = 50;

/**
 * Looks at a change until it is where it should be, and returns it. Rejects with ClavigerError `change-blocked` when it
 * stays blocked or paused, `approval-pending` when nobody approves, `change-ended` when it ended elsewhere, and what the service refused; a service that is away
 * for a while (a restart) is waited for.
 */
export async function waitForChange(
  look: () => Promise<ChangeView>,
  until: Until,
  options: WaitOptions = {},
): Promise<ChangeView> {
  const { onProgress, signal, patienceMs = 30_000, pollMs = 500 } = options;
  const there = typeof until === "string" ? (change: ChangeView) => hasPassed(change, until) : until;
  let stuckSince: number | null = null;
  for (let waitMs = FIRST_POLL_MS; ; waitMs = Math.min(waitMs * 2, pollMs)) {
    signal?.throwIfAborted();
    const stuck = await lookOnce(look, (change) => onProgress?.(change), there, until);
    if (!(stuck instanceof ClavigerError) && stuck !== null) return stuck;
    stuckSince = stuck === null ? null : (stuckSince ?? performance.now());
    if (stuck !== null && stuckSince !== null && performance.now() - stuckSince >= patienceMs) throw stuck;
    await pause(waitMs, signal);
  }
}

/** The change if it is there, null if it is on its way, and the error to end with if it should not get better. */
async function lookOnce(
  look: () => Promise<ChangeView>,
  onProgress: (change: ChangeView) => void,
  there: (change: ChangeView) => boolean,
  until: Until,
): Promise<ChangeView | ClavigerError | null> {
  let change: ChangeView;
  try {
    change = await look();
  } catch (error) {
    if (error instanceof ClavigerError && error.category === "unavailable") return error;
    throw error;
  }
  onProgress(change);
  if (there(change)) return change;
  if (isAtRest(change) && !(change.state === "DONE" && until === "PURGED")) {
    throw clientFailure("change-ended", `Change ${change.id} ended as ${change.state}.`);
  }
  if (change.blockedReason !== null) {
    return clientFailure(
      "change-blocked",
      `Change ${change.id} is blocked in ${change.state}: ${change.blockedReason}`,
    );
  }
  const { approval } = change;
  if (approval !== null && approval.approvedBy === null) {
    const message = `Change ${change.id} waits for the approval of its ${approval.action}, which ${approval.requestedBy} asked for.`;
    return clientFailure("approval-pending", message);
  }
  if (change.paused)
    return clientFailure("change-blocked", `Change ${change.id} is paused in ${change.state}.`);
  return null;
}
