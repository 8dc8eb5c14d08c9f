import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findPostgresBinaries } from "../postgres/binaries.ts";
import { installDebianPackages, mayInstall } from "./debian-packages.ts";
import { isWithout } from "./without.ts";

/** Debian is asked for no cluster of its own: a server that the tests did not start is nobody's business. */
const NO_CLUSTER = "/etc/postgresql-common/createcluster.d/claviger-tests.conf";

/** Runs once before all tests. What cannot be installed is for the tests to say, which fail without it. */
export function setup(): void {
  if (isWithout("postgresql") || findPostgresBinaries() !== undefined || !mayInstall()) return;
  mkdirSync(join(NO_CLUSTER, ".."), { recursive: true });
  writeFileSync(NO_CLUSTER, "create_main_cluster = false\n");
  installDebianPackages(["postgresql"]);
}
