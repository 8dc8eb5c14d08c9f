import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../packages/server/src/core/clock.ts";
import { systemClock } from "../../packages/server/src/core/clock.ts";

const FILE = "clock-ahead-ms";

/** The system's clock, ahead by what was last said of the data folder; nobody sleeps long by it. */
export function clockOf(folder: string, longestSleepMs = 1_000): Clock {
  return {
    nowMs: () => systemClock.nowMs() + aheadMs(folder),
    sleep: (ms, signal) => systemClock.sleep(Math.min(ms, longestSleepMs), signal),
  };
}

/** Lets time pass for every daemon on the folder, in whatever process, now and later. */
export function putClockAhead(folder: string, ms: number): void {
  writeFileSync(join(folder, FILE), String(ms), { mode: 0o600 });
}

function aheadMs(folder: string): number {
  try {
    return Number(readFileSync(join(folder, FILE), "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return 0;
    throw error;
  }
}
