import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findPostgresBinaries } from "../postgres/binaries.ts";
import { isWithout } from "./without.ts";

/** Debian is asked for no cluster of its own: a server that the tests did not start is nobody's business. */
const NO_CLUSTER = "/etc/postgresql-common/createcluster.d/claviger-tests.conf";

/** Runs once before all tests. What cannot be installed is for the tests to say, which fail without it. */
export function setup(): void {
  if (isWithout("postgresql") || findPostgresBinaries() !== undefined) return;
  if (process.getuid?.() !== 0 || !existsSync("/etc/debian_version")) return;
  mkdirSync(join(NO_CLUSTER, ".."), { recursive: true });
  writeFileSync(NO_CLUSTER, "create_main_cluster = false\n");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const step of [["update"], ["install", "--yes", "--no-install-recommends", "postgresql"]]) {
    spawnSync("apt-get", ["-q", ...step], { env, stdio: ["ignore", "ignore", "inherit"] });
  }
}
