import { Failure } from "../../core/errors.ts";

/** The ways in which a database of Barbican fails its port. */
export type DatabaseTrouble = "barbican-database-unsuitable" | "barbican-database-failed";

const NOT_BARBICANS =
  "It lacks tables or columns of Barbican: is this its database, and is `barbican-manage db upgrade` done?";

/** Tables or columns are missing. `where` is a `shownAddress`, `said` are the words of the server. */
export function notBarbicans(where: string, said: string): Failure {
  return new Failure("barbican-database-unsuitable", `${where}: ${said}. ${NOT_BARBICANS}`);
}

/**
 * A failure with the words of driver or server, which have no password in them. Their error itself is left behind: it may
 * hold the statement with its values, which are wrapped keys.
 */
export function databaseFailure(code: DatabaseTrouble, where: string, said: string): Failure {
  return new Failure(code, `${where}: ${said}.`);
}

export function runInProgress(where: string): Failure {
  return new Failure("barbican-run-in-progress", `Another run is moving the project keys of ${where}.`);
}

/** What an error of the system says: its message is empty where several addresses were tried. */
export function saidBy(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return (message || code || "no reason given").replace(/\.$/, "");
}
