import type { Finding } from "./finding.ts";
import { finding } from "./finding.ts";

/** No machine that runs this release can be in an earlier time. */
const RELEASED_MS = Date.UTC(2026, 0, 1);
/** More than a daemon and a file system may differ by. */
const BACKWARDS_MS = 60_000;
/** More than a clock that is only steered (NTP slews by 500 ppm) may differ by in a moment. */
const JUMP_MS = 50;

export interface ClockReading {
  readonly wallMs: number;
  /** How far the clock and the monotonic clock of the kernel went in the same moment. */
  readonly wallElapsedMs: number;
  readonly monotonicElapsedMs: number;
  /** When the database was last written; undefined if there is none. */
  readonly lastWriteMs: number | undefined;
}

/** Whether the time can be right. Times are in records, and decide what has expired. */
export function checkClock(reading: ClockReading): Finding {
  const { wallMs, wallElapsedMs, monotonicElapsedMs, lastWriteMs } = reading;
  const shown = new Date(wallMs).toISOString();
  const advice = "Set the clock, and keep it by NTP.";
  if (wallMs < RELEASED_MS)
    return finding("clock", "broken", `it says ${shown}, which is before this release`, advice);
  if (lastWriteMs !== undefined && lastWriteMs - wallMs > BACKWARDS_MS) {
    const wrote = new Date(lastWriteMs).toISOString();
    return finding("clock", "broken", `it says ${shown}, but the database was written at ${wrote}`, advice);
  }
  if (Math.abs(wallElapsedMs - monotonicElapsedMs) > JUMP_MS) {
    const jump = Math.round(wallElapsedMs - monotonicElapsedMs);
    return finding("clock", "warning", `it has just jumped by ${jump} ms`, "See who sets the clock.");
  }
  return finding("clock", "ok", shown);
}

/** Whether something keeps the clock right; undefined where nobody could be asked. */
export function checkTimeKeeping(synchronised: boolean | undefined): Finding {
  if (synchronised === undefined) {
    return finding(
      "time keeping",
      "unknown",
      "systemd does not tell here whether the clock is kept by NTP",
      "See to it that chrony, ntpd or the host of this machine keeps it.",
    );
  }
  if (synchronised) return finding("time keeping", "ok", "the clock is kept by NTP");
  return finding(
    "time keeping",
    "warning",
    "the clock is not kept by NTP",
    "Run systemd-timesyncd or chrony.",
  );
}
