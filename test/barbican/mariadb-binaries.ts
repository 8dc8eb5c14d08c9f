import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The server by itself: the package mariadb-server would start a service. */
export const MARIADB_PACKAGES = ["mariadb-server-core", "mariadb-client"] as const;

/** Paths of the programs. */
export interface MariadbBinaries {
  readonly server: string;
  readonly installDb: string;
  readonly dump: string;
}

/** Undefined if this machine lacks one of them. */
export function findMariadbBinaries(): MariadbBinaries | undefined {
  // Debian has the server where only root's path leads.
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"];
  const find = (name: string) => folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  const [server, installDb, dump] = [find("mariadbd"), find("mariadb-install-db"), find("mariadb-dump")];
  return server && installDb && dump ? { server, installDb, dump } : undefined;
}

export function needMariadbBinaries(): MariadbBinaries {
  const found = findMariadbBinaries();
  if (found === undefined) {
    throw new Error(
      `MariaDB is needed: install it (Debian: apt-get install ${MARIADB_PACKAGES.join(" ")}), or name mariadb in ` +
        "CLAVIGER_TEST_WITHOUT",
    );
  }
  return found;
}
