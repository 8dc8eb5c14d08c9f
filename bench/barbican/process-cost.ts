import { readdirSync, readFileSync } from "node:fs";

/** Of the kernel, as long as the process is there (proc(5)). */
export interface ProcessCost {
  /** User and system time of all threads. */
  readonly cpuSeconds: number;
  readonly peakRssMiB: number;
}

/** USER_HZ, which is 100 on every Linux that Node.js runs on. */
const TICKS_PER_SECOND = 100;

export function costOf(pid: number): ProcessCost {
  const [, , , , , , , , , , , userTicks, systemTicks] = statOf(pid);
  const peakKiB = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return {
    cpuSeconds: (Number(userTicks) + Number(systemTicks)) / TICKS_PER_SECOND,
    peakRssMiB: Math.round(Number(peakKiB) / 1024),
  };
}

export function childrenOf(pid: number): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((other) => isChild(other, pid));
}

function isChild(pid: number, parent: number): boolean {
  try {
    return Number(statOf(pid)[1]) === parent;
  } catch (error) {
    // It ended between the listing and the look.
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

/** The fields from the state on; the name before may have any character. */
function statOf(pid: number): readonly string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}
