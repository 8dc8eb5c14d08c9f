import { Failure } from "../../core/errors.ts";
import { databaseFailure, notBarbicans, saidBy } from "./failures.ts";

/** Error numbers of MySQL and MariaDB (mariadb.com/docs/server/reference/error-codes): not fit, or no way in. */
const UNSUITABLE = [
  1044, // ER_DBACCESS_DENIED_ERROR
  1045, // ER_ACCESS_DENIED_ERROR
  1049, // ER_BAD_DB_ERROR
  1142, // ER_TABLEACCESS_DENIED_ERROR
  1143, // ER_COLUMNACCESS_DENIED_ERROR
  1290, // ER_OPTION_PREVENTS_STATEMENT: --read-only
  1698, // ER_ACCESS_DENIED_NO_PASSWORD_ERROR
  1792, // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
  1836, // ER_READ_ONLY_MODE
];
/** ER_NO_SUCH_TABLE, ER_BAD_FIELD_ERROR */
const NOT_BARBICANS = [1146, 1054];
const FIRST_OF_SERVER = 1_000;

/** What the server answered, by its number; undefined for trouble with the connection. */
export function serverErrno(error: unknown): number | undefined {
  const { errno, sqlState } = error as { readonly errno?: unknown; readonly sqlState?: unknown };
  return typeof errno === "number" && errno >= FIRST_OF_SERVER && typeof sqlState === "string"
    ? errno
    : undefined;
}

/** As a Failure of the port. `isOpening`: the connection was never there. */
export function mysqlFailure(error: unknown, where: string, isOpening: boolean): Failure {
  if (error instanceof Failure) return error;
  const said = saidBy(error);
  const errno = serverErrno(error);
  if (errno !== undefined && NOT_BARBICANS.includes(errno)) return notBarbicans(where, said);
  const isUnfit = errno === undefined ? isOpening : UNSUITABLE.includes(errno);
  return databaseFailure(isUnfit ? "barbican-database-unsuitable" : "barbican-database-failed", where, said);
}
