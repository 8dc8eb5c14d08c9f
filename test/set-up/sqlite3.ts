import { spawnSync } from "node:child_process";
import { installDebianPackages } from "./debian-packages.ts";
import { isWithout } from "./without.ts";

/** Runs once before all tests. What cannot be installed is for the tests to say, which fail without it. */
export function setup(): void {
  if (!isWithout("sqlite3") && spawnSync("sqlite3", ["-version"]).status !== 0)
    installDebianPackages(["sqlite3"]);
}
