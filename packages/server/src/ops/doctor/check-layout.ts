import { realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Finding } from "./finding.ts";
import { finding } from "./finding.ts";

const PARTS = ["units", "pins", "store"] as const;
const ADVICE =
  "Put units, PINs and database on different file systems, by mounts or links; see docs/operations/running.md.";

/** Whether one copy (of a folder, of a disk) would hold units, PINs and database: whoever has the three has every key. */
export function checkLayout(dataFolder: string): Finding {
  const places = PARTS.map((part) => statOf(join(dataFolder, part)));
  const there = places.filter((place) => place !== undefined);
  if (there.length < PARTS.length)
    return finding("layout", "unknown", "units, PINs or database are not there yet");
  if (new Set(there.map(({ parent }) => parent)).size < PARTS.length) {
    return finding(
      "layout",
      "warning",
      "units, PINs or database are neighbours: a copy of one folder is a copy of every key",
      ADVICE,
    );
  }
  if (new Set(there.map(({ device }) => device)).size < PARTS.length) {
    return finding("layout", "warning", "units, PINs or database share a file system", ADVICE);
  }
  return finding("layout", "ok", "units, PINs and database are on file systems of their own");
}

function statOf(path: string): { readonly parent: string; readonly device: number } | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats && { parent: dirname(realpathSync(path)), device: stats.dev };
}
