import type { ChangeView, ClavigerClient, Until } from "@claviger/sdk";
import { ClavigerError, isVerified } from "@claviger/sdk";
import { progressOf } from "./change-progress.ts";
import { Interrupted } from "./exit-status.ts";
import { ProgressLine } from "./progress-line.ts";

/** How long a change may stay blocked before `--wait` gives up, if `--timeout` says nothing else. */
const PATIENCE_SECONDS = 30;

/**
 * Waits for a change with its progress on stderr; says why when it is blocked, and gives up with that reason when it
 * stays so. Ctrl-C stops the waiting, not the change.
 */
export async function waitShowing(
  client: ClavigerClient,
  id: string,
  until: Until,
  timeoutSeconds = PATIENCE_SECONDS,
): Promise<ChangeView> {
  const line = new ProgressLine();
  const controller = new AbortController();
  const interrupt = () => controller.abort(new Interrupted());
  process.once("SIGINT", interrupt);
  let obstacle: string | null = null;
  try {
    const reached = await client.waitForChange(id, until, {
      signal: controller.signal,
      patienceMs: timeoutSeconds * 1000,
      onProgress: (change) => {
        const now = change.paused ? "paused; `claviger change resume` lets it go on" : change.blockedReason;
        if (now !== null && now !== obstacle) line.say(`${change.state}  blocked: ${now}`);
        obstacle = now;
        line.update(progressOf(change));
      },
    });
    line.finish(progressOf(reached));
    return reached;
  } catch (error) {
    line.clear();
    throw error;
  } finally {
    process.removeListener("SIGINT", interrupt);
  }
}

/**
 * Finalizes; while that is refused because not every KEK has been opened yet, waits for the verification and asks again.
 * Gives up with the refusal when it stays although nothing is left to be seen for as long as a blocked change may stay.
 */
export async function finalizeWhenVerified(
  client: ClavigerClient,
  id: string,
  timeoutSeconds = PATIENCE_SECONDS,
): Promise<ChangeView> {
  let refusedSince: number | null = null;
  for (;;) {
    try {
      return await client.changes.finalize(id);
    } catch (error) {
      if (!(error instanceof ClavigerError) || error.code !== "change-unverified") throw error;
      const seen = isVerified(await client.changes.get(id));
      refusedSince = seen ? (refusedSince ?? performance.now()) : null;
      if (refusedSince !== null && performance.now() - refusedSince > timeoutSeconds * 1000) throw error;
      if (seen) await new Promise((resolve) => setTimeout(resolve, 500));
      else await waitShowing(client, id, isVerified, timeoutSeconds);
    }
  }
}
