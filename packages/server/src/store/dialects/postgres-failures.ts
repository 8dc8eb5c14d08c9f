import { DatabaseError } from "pg";
import { Failure } from "../../core/errors.ts";
import type { FailureCode } from "../../core/errors.ts";

/** SQLSTATEs (postgresql.org/docs/current/errcodes-appendix.html) and what they mean for the service. */
const SQLSTATES: Readonly<Record<string, FailureCode>> = {
  "25006": "store-read-only", // read_only_sql_transaction: a standby, or a server or role set to read only
  "25P03": "store-failed", // idle_in_transaction_session_timeout
  "25P04": "store-failed", // transaction_timeout
  "3D000": "store-refused", // invalid_catalog_name: no such database
  "40001": "store-busy", // serialization_failure, after it was repeated
  "40P01": "store-busy", // deadlock_detected, after it was repeated
  "42501": "store-read-only", // insufficient_privilege
  "42703": "store-damaged", // undefined_column: the tables are another program's
  "42P01": "store-damaged", // undefined_table
  "42P07": "store-damaged", // duplicate_table
  "53100": "store-full", // disk_full
  "55P03": "store-busy", // lock_not_available: lock_timeout
  "57014": "store-busy", // query_canceled: statement_timeout, or an administrator
  "58P01": "store-damaged", // undefined_file
  "58P02": "store-damaged", // duplicate_file
  XX001: "store-damaged", // data_corrupted
  XX002: "store-damaged", // index_corrupted
};

/** The same for what is not in the table above, by the class: the first two characters. */
const CLASSES: Readonly<Record<string, FailureCode>> = {
  "08": "store-failed", // connection exception
  "28": "store-refused", // invalid authorization
  "53": "store-busy", // insufficient resources: memory, connections
  "57": "store-failed", // operator intervention: shutdown, crash, starting up
  "58": "store-failed", // system error, such as an input/output error
};

/** A transaction that lost against another one, of which nothing was kept: it may be run again. */
export function isWorthRepeating(error: unknown): boolean {
  return (
    error instanceof Failure &&
    error.cause instanceof DatabaseError &&
    (error.cause.code === "40001" || error.cause.code === "40P01")
  );
}

/** A connection that could not be made, was lost, or does not answer: it is of no further use. */
export function isConnectionFailure(error: unknown): boolean {
  return error instanceof Failure && error.code === "store-failed" && !(error.cause instanceof DatabaseError);
}

/**
 * What the driver throws as a failure of the store. What the server says and no table knows is a defect, and stays what
 * it is. All else is about the connection; if it was lost after COMMIT was sent, nobody knows yet whether that
 * happened. The words of server and driver are for the log: they are in the cause.
 */
export function postgresFailure(error: unknown): unknown {
  if (error instanceof Failure) return error; // of what the driver calls: the password file
  if (error instanceof DatabaseError) {
    const sqlstate = error.code ?? "";
    const code = SQLSTATES[sqlstate] ?? CLASSES[sqlstate.slice(0, 2)];
    return code ? new Failure(code, undefined, { cause: error }) : error;
  }
  return new Failure("store-failed", undefined, { cause: error });
}
