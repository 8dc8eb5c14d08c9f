import type { StatsFs } from "node:fs";
import type { Finding } from "./finding.ts";
import { finding } from "./finding.ts";

const MIB = 1024 * 1024;
const BROKEN_BYTES = 100 * MIB;
const WARNING_BYTES = 1024 * MIB;

const ADVICE = {
  database: "Free space: without it nothing is written, and requests fail with `store-full`.",
  "audit log": "Free space: without it nothing is recorded, and requests fail with `audit-unavailable`.",
} as const;

/** Whether the disk has room for what grows on it. `stats` is that of its file system; only what a user may take counts. */
export function checkDiskSpace(
  { bavail, bsize }: Pick<StatsFs, "bavail" | "bsize">,
  use: keyof typeof ADVICE = "database",
): Finding {
  const freeBytes = bavail * bsize;
  const found = `${Math.floor(freeBytes / MIB).toLocaleString("en-US")} MiB free for the ${use}`;
  const advice = ADVICE[use];
  if (freeBytes < BROKEN_BYTES) return finding("disk space", "broken", found, advice);
  if (freeBytes < WARNING_BYTES) return finding("disk space", "warning", found, advice);
  return finding("disk space", "ok", found);
}
