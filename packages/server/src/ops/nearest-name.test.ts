import { expect, test } from "vitest";
import { nearestName } from "./nearest-name.ts";

const KNOWN = ["data", "listen", "log_level", "tls.cert", "tls.client_ca"];

test.for([
  ["listn", "listen"],
  ["lisetn", "listen"],
  ["loglevel", "log_level"],
  ["tsl.cert", "tls.cert"],
  ["tls.ca", "tls.cert"],
  ["tls.clientca", "tls.client_ca"],
  ["date", "data"],
])("%s is nearest to %s", ([typed = "", meant]) => {
  expect(nearestName(typed, KNOWN)).toBe(meant);
});

test("a name that is known is nearest to itself", () => {
  for (const name of KNOWN) expect(nearestName(name, KNOWN)).toBe(name);
});
