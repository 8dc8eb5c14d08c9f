import { expect, it } from "vitest";
import * as api from "@claviger/api";
import { ROUTE_PATHS } from "./route-paths.ts";
import { KEY_SPECS, PLAINTEXT_LIMIT_BYTES, ROLES, SIGNATURE_ALGORITHMS } from "./words.ts";

it("has the routes, limits, roles, specs and algorithms of the API, and no others", () => {
  const rows = Object.entries(api.ROUTES).map(([name, { method, path }]) => [name, { method, path }]);
  expect(ROUTE_PATHS).toEqual(Object.fromEntries(rows));
  expect(PLAINTEXT_LIMIT_BYTES).toBe(api.PLAINTEXT_LIMIT_BYTES);
  expect(ROLES).toEqual(api.ROLES);
  expect(KEY_SPECS).toEqual(api.KEY_SPECS);
  expect(SIGNATURE_ALGORITHMS).toEqual(api.SIGNATURE_ALGORITHMS);
});
