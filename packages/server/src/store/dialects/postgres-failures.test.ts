import { DatabaseError } from "pg";
import { expect, test } from "vitest";
import { Failure } from "../../core/errors.ts";
import { isConnectionFailure, isWorthRepeating, postgresFailure } from "./postgres-failures.ts";

const said = (code: string): DatabaseError => Object.assign(new DatabaseError("said", 4, "error"), { code });

test.each([
  ["53100", "store-full"],
  ["53200", "store-busy"],
  ["53300", "store-busy"],
  ["25006", "store-read-only"],
  ["42501", "store-read-only"],
  ["28P01", "store-refused"],
  ["28000", "store-refused"],
  ["3D000", "store-refused"],
  ["40001", "store-busy"],
  ["40P01", "store-busy"],
  ["55P03", "store-busy"],
  ["57014", "store-busy"],
  ["08006", "store-failed"],
  ["57P01", "store-failed"],
  ["57P03", "store-failed"],
  ["58030", "store-failed"],
  ["25P03", "store-failed"],
  ["XX001", "store-damaged"],
  ["XX002", "store-damaged"],
  ["42P01", "store-damaged"],
])("SQLSTATE %s is %s, and the words of the server are its cause only", (sqlstate, code) => {
  const error = said(sqlstate);
  const failure = postgresFailure(error);
  expect(failure).toMatchObject({ code, cause: error });
  expect((failure as Failure).message).not.toContain("said");
  expect(isConnectionFailure(failure)).toBe(false);
  expect(isWorthRepeating(failure)).toBe(sqlstate.startsWith("40"));
});

test.each(["23505", "42601", "22P02"])(
  "SQLSTATE %s is a defect of the program, and stays what it is",
  (sqlstate) => {
    const error = said(sqlstate);
    expect(postgresFailure(error)).toBe(error);
  },
);

test("whatever else the driver throws is about the connection, also a code of the system that looks like an SQLSTATE", () => {
  const failure = postgresFailure(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
  expect(failure).toMatchObject({ code: "store-failed" });
  expect(isConnectionFailure(failure)).toBe(true);
  expect(isWorthRepeating(failure)).toBe(false);
});

test("a failure that a script throws is neither", () => {
  const failure = new Failure("store-damaged");
  expect([isConnectionFailure(failure), isWorthRepeating(failure)]).toEqual([false, false]);
});
