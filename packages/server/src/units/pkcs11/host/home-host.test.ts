import { expect, test } from "vitest";
import { homeHost } from "./home-host.ts";

test("names are spread by FNV-1a, whose published values these are", () => {
  expect(homeHost("", 2 ** 32)).toBe(0x811c9dc5);
  expect(homeHost("a", 2 ** 32)).toBe(0xe40c292c);
  expect(homeHost("foobar", 2 ** 32)).toBe(0xbf9cf968);
});

test("every host is home to about as many names", () => {
  const homes = [0, 0, 0];
  for (let name = 0; name < 3_000; name += 1) homes[homeHost(`kek ${name}`, 3)]! += 1;
  for (const names of homes) expect(names).toBeGreaterThan(800);
});
