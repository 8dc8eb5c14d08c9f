import { MARIADB_PACKAGES, findMariadbBinaries } from "../barbican/mariadb-binaries.ts";
import { installDebianPackages } from "./debian-packages.ts";
import { isWithout } from "./without.ts";

/** Runs once before all tests. What cannot be installed is for the tests to say, which fail without it. */
export function setup(): void {
  if (!isWithout("mariadb") && findMariadbBinaries() === undefined) installDebianPackages(MARIADB_PACKAGES);
}
