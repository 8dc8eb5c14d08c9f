import { BARBICAN_PACKAGES, isBarbicanInstalled } from "../barbican/installed.ts";
import { installDebianPackages } from "./debian-packages.ts";
import { isWithout } from "./without.ts";

/** Runs once before all tests. What cannot be installed is for the tests to say, which fail without it. */
export function setup(): void {
  if (!isWithout("barbican") && !isBarbicanInstalled()) installDebianPackages(BARBICAN_PACKAGES);
}
