import {
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { readdir } from "node:fs/promises";
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

test("one half is enough, and the other is as new; with a bit changed in both they are refused", async () => {
  for (const i of [1, 2, 3]) await unit.anchors.keep(anchorsOf(i));
  const file = readFileSync(anchors);
  const half = file.byteLength / 2;
  for (let at = 0; at < half; at += at < 40 ? 1 : 997) {
    for (const damaged of [flipped(file, at), flipped(file, at + half)]) {
      writeFileSync(anchors, damaged);
      expect(await unit.anchors.read(), String(at)).toEqual(anchorsOf(3));
    }
    writeFileSync(anchors, flipped(flipped(file, at), at + half));
    expect(await refusal(unit.anchors.read()), String(at)).toBe("unit-file-tampered");
  }
  for (const damaged of [
    file.subarray(1),
    file.subarray(0, 20),
    new Uint8Array(),
    Buffer.concat([file, file]),
  ]) {
    writeFileSync(anchors, damaged);
    expect(await refusal(unit.anchors.read())).toBe("unit-file-tampered");
    await unit.anchors.keep(anchorsOf(4));
    expect(await unit.anchors.read()).toEqual(anchorsOf(4));
    expect(statSync(anchors).size).toBe(file.byteLength);
  }
});

test("what a crash between the halves leaves is the newer one, and one within a half the older", async () => {
  await unit.anchors.keep(anchorsOf(1));
  const before = readFileSync(anchors);
  await unit.anchors.keep(anchorsOf(2));
  const after = readFileSync(anchors);
  const half = before.byteLength / 2;
  writeFileSync(anchors, Buffer.concat([after.subarray(0, half), before.subarray(half)]));
  expect(await unit.anchors.read()).toEqual(anchorsOf(2));
  writeFileSync(anchors, Buffer.concat([after.subarray(0, half / 2), before.subarray(half / 2)]));
  expect(await unit.anchors.read()).toEqual(anchorsOf(1));
});

test("no other file appears beside the anchors, but for the first time", async () => {
  await unit.anchors.keep(anchorsOf(1));
  const seen = new Set<string>();
  let done = false;
  const looking = (async () => {
    while (!done) for (const name of await readdir(made.folder)) seen.add(name);
  })();
  for (let i = 0; i < 20; i += 1) await unit.anchors.keep(anchorsOf(i));
  done = true;
  await looking;
  expect([...seen].filter((name) => name.endsWith(".tmp"))).toEqual([]);
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
