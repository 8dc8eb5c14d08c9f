import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";

const OLDEST_MAJOR = 15;
/** Debian keeps the versions side by side; others have them in the path. */
const DEBIAN = "/usr/lib/postgresql";

/** The folder with `initdb` and `postgres` of a version that is new enough; undefined if this machine has none. */
export function findPostgresBinaries(): string | undefined {
  const majors = existsSync(DEBIAN) ? readdirSync(DEBIAN).map(Number) : [];
  const debian = majors
    .filter((major) => major >= OLDEST_MAJOR)
    .toSorted((a, b) => b - a)
    .map((major) => join(DEBIAN, String(major), "bin"));
  const path = (process.env["PATH"] ?? "").split(delimiter);
  return [...debian, ...path].find(
    (folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")),
  );
}

export function needPostgresBinaries(): string {
  const folder = findPostgresBinaries();
  if (folder === undefined) {
    throw new Error(
      `PostgreSQL ${OLDEST_MAJOR} or later is needed: install it (Debian: apt-get install postgresql; initdb and postgres ` +
        "in the path), or name postgresql in CLAVIGER_TEST_WITHOUT",
    );
  }
  return folder;
}
