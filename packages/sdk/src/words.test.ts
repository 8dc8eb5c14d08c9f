import { expect, it } from "vitest";
import * as api from "@claviger/api";
import { ROUTE_PATHS } from "./route-paths.ts";
import { PLAINTEXT_LIMIT_BYTES, ROLES } from "./words.ts";

it("has the routes, limits and roles of the API, and no others", () => {
  const rows = Object.entries(api.ROUTES).map(([name, { method, path }]) => [name, { method, path }]);
  expect(ROUTE_PATHS).toEqual(Object.fromEntries(rows));
  expect(PLAINTEXT_LIMIT_BYTES).toBe(api.PLAINTEXT_LIMIT_BYTES);
  expect(ROLES).toEqual(api.ROLES);
});
