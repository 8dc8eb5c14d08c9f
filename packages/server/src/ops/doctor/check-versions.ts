import type { Finding } from "./finding.ts";
import { finding } from "./finding.ts";

/**
 * The oldest release of each that Claviger is run on. SQLite before 3.51.3 could lose what was in the write-ahead log when
 * two connections reset it at the same time (https://sqlite.org/wal.html#walresetbug), and the daemon has several.
 */
const OLDEST = { node: "24.0.0", sqlite: "3.51.3", openssl: "3.0.0" } as const;
type Program = keyof typeof OLDEST;

/** Whether Node.js and what is in it are new enough. `versions` is process.versions. */
export function checkVersions(versions: Readonly<Partial<Record<Program, string>>>): Finding {
  const programs = Object.keys(OLDEST) as Program[];
  const shown = programs.map((program) => `${program} ${versions[program] ?? "none"}`).join(", ");
  const old = programs.filter((program) => isOlder(versions[program] ?? "0", OLDEST[program]));
  if (old.length === 0) return finding("versions", "ok", shown);
  const needed = old.map((program) => `${program} ${OLDEST[program]}`).join(", ");
  return finding(
    "versions",
    "broken",
    `${shown}; needed at least: ${needed}`,
    "Install a newer Node.js, which brings all of them.",
  );
}

function isOlder(version: string, oldest: string): boolean {
  const [numbers, limits] = [version, oldest].map((text) =>
    text.split(".").map((part) => Number.parseInt(part, 10)),
  );
  for (const [nth, limit] of (limits ?? []).entries()) {
    const number = numbers?.[nth] ?? 0;
    if (number !== limit) return number < limit;
  }
  return false;
}
