import { setPriority } from "node:os";

/** Weight of a thread at this niceness beside one at 0: about a tenth (kernel: sched_prio_to_weight). */
const NICENESS = 10;

/**
 * Makes the calling thread give way to those that serve clients: work that nobody waits for gets what is left of the
 * processors. On Linux setpriority(2) acts on one thread; elsewhere it would act on the whole process, and nothing
 * is done.
 */
export function yieldToServingThreads(): void {
  if (process.platform === "linux") setPriority(NICENESS);
}
