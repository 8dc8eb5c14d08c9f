import {
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { anchorsOf } from "../../../../../test/contracts/anchor-contract.ts";
import {
  flipped,
  prepareCurrent,
  present,
  refusal,
} from "../../../../../test/contracts/crypto-unit-contract.ts";
import type { SoftwareUnitsForTest } from "../../../../../test/contracts/software-units.ts";
import { makeSoftwareUnits, pinOf, TEST_PIN } from "../../../../../test/contracts/software-units.ts";
import type { CryptoUnit } from "../../core/unit/crypto-unit.ts";
import { anchorsPath } from "./anchor-file.ts";
import { openSoftwareUnit } from "./software-unit.ts";

let made: SoftwareUnitsForTest;
let path: string;
let anchors: string;
let unit: CryptoUnit;
const reopened = () => openSoftwareUnit({ path, pin: pinOf(TEST_PIN), thread: "inline" });

beforeEach(async () => {
  made = await makeSoftwareUnits(2);
  path = present(made.paths[0]);
  anchors = anchorsPath(path);
  unit = present(made.units[0]);
});
afterEach(() => made.dispose());

test("anchors outlive the process, in a file for its owner only that says nothing", async () => {
  await unit.anchors.keep(anchorsOf(1));
  await unit.close();
  const again = await reopened();
  expect(await again.anchors.read()).toEqual(anchorsOf(1));
  await again.close();
  expect(statSync(anchors).mode & 0o777).toBe(0o600);
  expect(readFileSync(anchors, "latin1")).not.toContain("chain");
});

test("the file with the master keys is written for the first anchors, and not again", async () => {
  await prepareCurrent(unit);
  const before = readFileSync(path);
  await unit.anchors.keep(anchorsOf(1));
  const first = readFileSync(path);
  expect(first.equals(before)).toBe(false);
  for (const i of [2, 3, 4]) await unit.anchors.keep(anchorsOf(i));
  expect(readFileSync(path).equals(first)).toBe(true);
  expect(readdirSync(made.folder)).toHaveLength(3);
});

test("anchors that were taken away are missed, and not taken for none", async () => {
  await unit.anchors.keep(anchorsOf(1));
  rmSync(anchors);
  expect(await refusal(unit.anchors.read())).toBe("unit-file-tampered");
  const again = await reopened();
  await expect(again.anchors.read()).rejects.toThrow(`are not there: ${basename(anchors)}`);
  await again.anchors.keep(anchorsOf(2));
  expect(await again.anchors.read()).toEqual(anchorsOf(2));
  await again.close();
});

test("anchors with one bit changed anywhere are refused", async () => {
  await unit.anchors.keep(anchorsOf(1));
  const file = readFileSync(anchors);
  for (let at = 0; at < file.byteLength; at += 7) {
    writeFileSync(anchors, flipped(file, at));
    expect(await refusal(unit.anchors.read()), String(at)).toBe("unit-file-tampered");
  }
  writeFileSync(anchors, file.subarray(0, 20));
  expect(await refusal(unit.anchors.read())).toBe("unit-file-tampered");
});

test("a crash between the file and the note leaves anchors that count, and none that are missed", async () => {
  const before = readFileSync(path);
  await unit.anchors.keep(anchorsOf(1));
  await unit.close();
  writeFileSync(path, before);
  const again = await reopened();
  expect(await again.anchors.read()).toEqual(anchorsOf(1));
  rmSync(anchors);
  expect(await again.anchors.read()).toBeUndefined();
  await again.close();
});

test("what another unit has left at the address is no anchor of this one", async () => {
  const other = present(made.units[1]);
  await other.anchors.keep(anchorsOf(9));
  copyFileSync(anchorsPath(present(made.paths[1])), anchors);
  expect(await unit.anchors.read()).toBeUndefined();
  await unit.anchors.keep(anchorsOf(1));
  expect(await unit.anchors.read()).toEqual(anchorsOf(1));
  copyFileSync(anchorsPath(present(made.paths[1])), anchors);
  expect(await refusal(unit.anchors.read())).toBe("unit-file-tampered");
});

test("a unit whose sealed file is gone keeps nothing more", async () => {
  await unit.anchors.keep(anchorsOf(1));
  rmSync(path);
  expect(await refusal(unit.anchors.keep(anchorsOf(2)))).toBe("unit-unreachable");
  expect(existsSync(anchors)).toBe(true);
});
