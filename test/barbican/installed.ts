import { existsSync, globSync } from "node:fs";

/*
 * OpenStack Barbican as Debian 12 has it: 15.0.1 (Zed), whose own rewrap still works, by its library alone. The
 * packages with its services are not needed, so nothing is started, no user is made, and /etc stays as it is.
 */

/** The one that Debian's modules are for; another may come first in the path. */
export const PYTHON = "/usr/bin/python3";
const MODULES = "/usr/lib/python3/dist-packages";

/** With the driver for PostgreSQL; the one for MariaDB comes along. */
export const BARBICAN_PACKAGES = ["python3-barbican", "python3-psycopg2"] as const;

export function isBarbicanInstalled(): boolean {
  return globSync(`${MODULES}/barbican-15.*-info`).length > 0 && existsSync(`${MODULES}/psycopg2`);
}

export function needBarbican(): void {
  if (isBarbicanInstalled()) return;
  throw new Error(
    `Barbican 15 is needed: install it (Debian 12: apt-get install ${BARBICAN_PACKAGES.join(" ")}), or name barbican in ` +
      "CLAVIGER_TEST_WITHOUT",
  );
}
