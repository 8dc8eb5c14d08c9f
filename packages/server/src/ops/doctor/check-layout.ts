import { realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Finding } from "./finding.ts";
import { finding } from "./finding.ts";

/** What is kept apart, as people call it. */
const PARTS = { units: "units", pins: "PINs", store: "database" } as const;
type Part = keyof typeof PARTS;
const ADVICE =
  "Put units, PINs and database on different file systems, by mounts or links; see docs/operations/running.md.";

/**
 * Whether one copy (of a folder, of a disk) would hold units, PINs and database: whoever has the three has every key. With a
 * database elsewhere the first two are to be apart all the same.
 */
export function checkLayout(
  dataFolder: string,
  parts: readonly Part[] = ["units", "pins", "store"],
): Finding {
  const places = parts.map((part) => statOf(join(dataFolder, part)));
  const there = places.filter((place) => place !== undefined);
  const names = parts.map((part) => PARTS[part]);
  const all = listed(names, "and");
  const some = names.length > 2 ? listed(names, "or") : all;
  if (there.length < parts.length) return finding("layout", "unknown", `${some} are not there yet`);
  if (new Set(there.map(({ parent }) => parent)).size < parts.length) {
    const opens = names.length > 2 ? "every key" : "what opens every key";
    const found = `${some} are neighbours: a copy of one folder is a copy of ${opens}`;
    return finding("layout", "warning", found, ADVICE);
  }
  if (new Set(there.map(({ device }) => device)).size < parts.length)
    return finding("layout", "warning", `${some} share a file system`, ADVICE);
  return finding("layout", "ok", `${all} are on file systems of their own`);
}

function listed(names: readonly string[], word: "and" | "or"): string {
  return `${names.slice(0, -1).join(", ")} ${word} ${names.at(-1)}`;
}

function statOf(path: string): { readonly parent: string; readonly device: number } | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats && { parent: dirname(realpathSync(path)), device: stats.dev };
}
