import { readFileSync } from "node:fs";

/** How often it is looked how long the disk has had. */
export const SLICE_MS = 50;
/** A slice that ends later than this was not the disk's: this process did not run. */
const LONGEST_SLICE_MS = 2 * SLICE_MS;

/**
 * How long a disk has had to answer, in milliseconds since a beginning of its own: time in which this process could have
 * heard the answer and the thread that asks did not wait for a processor itself. Of a slice in which the process was
 * starved, stopped or suspended no more counts than a slice may last; of one at whose end the thread is ready to run and
 * does not, or computes, nothing. So a machine that is busy is not taken for a disk that does not answer, while a disk
 * that does not answer is found out in the time that the clock on the wall shows.
 */
export class DiskPatience {
  #spentMs = 0;
  #sliceMs = performance.now();

  get spentMs(): number {
    return this.#spentMs;
  }

  /** A slice begins: what was before was nobody's. */
  begin(): void {
    this.#sliceMs = performance.now();
  }

  /** The slice is over. `task`: the thread that asks the disk, undefined where it is not known. */
  end(task: string | undefined): void {
    const lastedMs = performance.now() - this.#sliceMs;
    if (task === undefined || !isRunnable(task)) this.#spentMs += Math.min(lastedMs, LONGEST_SLICE_MS);
    this.begin();
  }
}

/** The state of a thread (proc_pid_stat(5)) stands behind its name in parentheses, which may hold anything. */
const RUNNABLE = /^.*\) R /s;

/** Whether a thread runs or would run if it were let: it does not wait for a disk. False where the system does not say. */
export function isRunnable(task: string): boolean {
  try {
    return RUNNABLE.test(readFileSync(`/proc/self/task/${task}/stat`, "latin1"));
  } catch (error) {
    if (hasCode(error, "ENOENT", "ESRCH", "EACCES")) return false; // it has ended, or there is no such file system
    throw error;
  }
}

/** The number of the calling thread, as the system counts them; undefined where there is no /proc. */
export function ownTask(): string | undefined {
  try {
    return /^\d+/.exec(readFileSync("/proc/thread-self/stat", "latin1"))?.[0];
  } catch (error) {
    if (hasCode(error, "ENOENT", "EACCES")) return undefined;
    throw error;
  }
}

function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  const { code } = (error ?? {}) as NodeJS.ErrnoException;
  return code !== undefined && codes.includes(code);
}
