import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { FAILURES, Failure } from "../../core/errors.ts";
import type { FailureCode } from "../../core/errors.ts";
import { errorsDocument } from "./errors-document.ts";
import { httpStatus, presentFailure } from "./errors.ts";
import { openApiDocument } from "./openapi-document.ts";
import { SIGN_IN_ROUTES } from "./roles.ts";

const committed = (name: string): string =>
  readFileSync(new URL(`../../../../../docs/${name}`, import.meta.url), "utf8");

test("docs/errors.md is what scripts/generate-errors-doc.mjs writes", () => {
  expect(committed("errors.md")).toBe(errorsDocument());
});

test("docs/openapi.json is what scripts/generate-openapi.mjs writes", async () => {
  expect(committed("openapi.json")).toBe(await openApiDocument());
});

test("docs/errors.md has every code once", () => {
  const codes = [...errorsDocument().matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, code = ""]) => code);
  expect(codes.toSorted()).toEqual(Object.keys(FAILURES).toSorted());
});

test("the OpenAPI document describes each operation with its security and its refusals", async () => {
  interface Operation {
    readonly operationId: string;
    readonly security: unknown;
    readonly responses: Readonly<Record<string, unknown>>;
  }
  const document = JSON.parse(await openApiDocument()) as {
    readonly openapi: string;
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  };
  expect(document.openapi).toBe("3.1.0");
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path)) {
      const open = SIGN_IN_ROUTES.some((name) => name === operation.operationId);
      expect(operation.security, operation.operationId).toEqual(open ? [] : [{ bearer: [] }]);
      expect(Object.keys(operation.responses)).toEqual(["200", "4XX", "5XX"]);
    }
  }
});

test("every code has a status of an error, and a body that is too large its own", () => {
  for (const code of Object.keys(FAILURES) as FailureCode[]) {
    expect(httpStatus(code), code).toBeGreaterThanOrEqual(400);
    expect(httpStatus(code), code).toBeLessThanOrEqual(503);
  }
  expect(httpStatus("body-too-large")).toBe(413);
});

test("a reply has the field only where there is one", () => {
  const without = presentFailure(new Failure("forbidden", "No."), "req-1").body;
  const withField = presentFailure(new Failure("invalid-request", "No.", { field: "name" }), "req-1").body;
  expect(Object.keys(without.error)).toEqual(["code", "category", "message", "advice", "requestId"]);
  expect(withField.error.field).toBe("name");
});
