import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CHEAP_KDF } from "../../../../../test/contracts/software-units.ts";
import type { UnitAddress } from "../../core/ids.ts";
import { DEFAULT_GROUP } from "../../core/ids.ts";
import type { UnitFolder } from "../../core/ports/unit-folder.ts";
import { softwareUnitFolder } from "./software-unit-folder.ts";

const ADDRESS = "03.0033" as UnitAddress;
let parent: string;
let folder: UnitFolder;
const inside = (name: string): string => join(parent, name);

beforeEach(async () => {
  parent = mkdtempSync(join(tmpdir(), "claviger-folder-"));
  for (const name of ["units", "pins"]) mkdirSync(inside(name));
  folder = softwareUnitFolder({
    units: inside("units"),
    pins: inside("pins"),
    writeSecretFile: (path, content) => writeFileSync(path, content, { flag: "wx", mode: 0o600 }),
    kdf: CHEAP_KDF,
  });
  await (await folder.create(ADDRESS, DEFAULT_GROUP)).close();
});
afterEach(() => {
  rmSync(parent, { recursive: true });
});

test("what is set aside opens again when it is given its name back", async () => {
  await folder.setAside(ADDRESS);
  expect(await folder.list()).toEqual([]);
  for (const name of ["units", "pins"]) {
    const [aside = ""] = readdirSync(inside(name));
    renameSync(join(inside(name), aside), join(inside(name), aside.replace(/\.removed-.*/, "")));
  }
  await (await folder.open(ADDRESS)).close();
});

test("a setting aside that was interrupted after the sealed file is finished under the same mark, and may be repeated", async () => {
  const [unit, pin] = [join(inside("units"), `${ADDRESS}.unit`), join(inside("pins"), `${ADDRESS}.pin`)];
  await folder.setAside(ADDRESS);
  await (await folder.create(ADDRESS, DEFAULT_GROUP)).close();
  renameSync(unit, `${unit}.removed-0a0b0c0d`);
  await folder.setAside(ADDRESS);
  await folder.setAside(ADDRESS);
  expect(readdirSync(inside("pins"))).toContain(`${ADDRESS}.pin.removed-0a0b0c0d`);
  const marks = (name: string) => readdirSync(inside(name)).map((file) => file.replace(/^.*\.removed-/, ""));
  expect(marks("units").toSorted()).toEqual(marks("pins").toSorted());
  expect(marks("units")).toHaveLength(2);
  expect([unit, pin].map((path) => readdirSync(join(path, "..")).includes(path))).toEqual([false, false]);
});
