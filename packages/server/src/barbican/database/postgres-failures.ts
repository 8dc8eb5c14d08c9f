import { DatabaseError } from "pg";
import { Failure } from "../../core/errors.ts";
import { databaseFailure, notBarbicans, saidBy } from "./failures.ts";

/** SQLSTATEs (postgresql.org/docs/current/errcodes-appendix.html) of a database that is not fit, or does not let one in. */
const UNSUITABLE = ["25006", "3D000", "3F000", "42501"];
/** Tables or columns that are not there. */
const NOT_BARBICANS = ["42P01", "42703"];
const INVALID_AUTHORIZATION = "28";

/** A connection that could not be made, was lost, or does not answer: it is of no further use. */
export function isConnectionFailure(error: unknown): boolean {
  return !(error instanceof DatabaseError) && !(error instanceof Failure);
}

/** As a Failure of the port. `isOpening`: the connection was never there. */
export function postgresFailure(error: unknown, where: string, isOpening: boolean): Failure {
  if (error instanceof Failure) return error;
  const said = saidBy(error);
  if (!(error instanceof DatabaseError))
    return databaseFailure(
      isOpening ? "barbican-database-unsuitable" : "barbican-database-failed",
      where,
      said,
    );
  const sqlstate = error.code ?? "";
  if (NOT_BARBICANS.includes(sqlstate)) return notBarbicans(where, said);
  const isUnfit = UNSUITABLE.includes(sqlstate) || sqlstate.startsWith(INVALID_AUTHORIZATION);
  return databaseFailure(isUnfit ? "barbican-database-unsuitable" : "barbican-database-failed", where, said);
}
