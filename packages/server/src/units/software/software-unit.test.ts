import { chmod, copyFile, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import {
  prepareCurrent,
  prepareNew,
  present,
  reading,
  refusal,
} from "../../../../../test/contracts/crypto-unit-contract.ts";
import type { SoftwareUnitsForTest } from "../../../../../test/contracts/software-units.ts";
import {
  CHEAP_KDF,
  makeSoftwareUnits,
  pinOf,
  TEST_PIN,
} from "../../../../../test/contracts/software-units.ts";
import type { UnitAddress } from "../../core/ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../../core/ids.ts";
import type { CryptoUnit } from "../../core/unit/crypto-unit.ts";
import { createSoftwareUnit, openSoftwareUnit } from "./software-unit.ts";

const TYPE = DEFAULT_TYPE;
const HEADER_BYTES = 109;
const made: SoftwareUnitsForTest[] = [];

async function oneUnit(): Promise<{ unit: CryptoUnit; path: string; folder: string }> {
  const units = await makeSoftwareUnits(1);
  made.push(units);
  return { unit: present(units.units[0]), path: present(units.paths[0]), folder: units.folder };
}

function open(path: string, pin = TEST_PIN): Promise<CryptoUnit> {
  return openSoftwareUnit({ path, pin: pinOf(pin), thread: "inline" });
}

afterEach(async () => {
  for (const units of made.splice(0)) await units.dispose();
});

describe("the sealed file of a software unit", () => {
  test("holds the registers, the pinned peers and the identity over a restart", async () => {
    const { unit, path } = await oneUnit();
    const peer = { ...unit.description, address: "ff.0001" as UnitAddress };
    await unit.registers.pinPeer(peer);
    const vp = await prepareCurrent(unit);
    await prepareNew(unit);
    const before = await reading(unit);
    await unit.close();
    const again = await open(path);
    expect(await reading(again)).toEqual(before);
    expect(again.description).toEqual(unit.description);
    const request = { type: TYPE, register: "CURRENT", vp, form: "1" } as const;
    expect((await again.registers.exportFor(peer.address, request)).byteLength).toBe(384);
    await again.close();
  });

  test("is readable by its owner only, and takes no file's place", async () => {
    const folder = await mkdtemp(join(tmpdir(), "claviger-unit-"));
    const options = {
      path: join(folder, "units", "unit"),
      pin: pinOf(TEST_PIN),
      address: "01.0001" as UnitAddress,
      group: DEFAULT_GROUP,
      kdf: CHEAP_KDF,
    };
    await (await createSoftwareUnit(options)).close();
    expect((await stat(options.path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, "units"))).mode & 0o777).toBe(0o700);
    expect(await refusal(createSoftwareUnit(options))).toBe("unit-exists");
    expect(await readdir(join(folder, "units"))).toEqual(["unit"]);
    await rm(folder, { recursive: true });
  });

  test("refuses an empty PIN, a bad address and a KDF out of bounds", async () => {
    const options = {
      path: join(tmpdir(), "claviger-never-made"),
      pin: pinOf(TEST_PIN),
      address: "01.0001" as UnitAddress,
      group: DEFAULT_GROUP,
      kdf: CHEAP_KDF,
    };
    expect(await refusal(createSoftwareUnit({ ...options, pin: pinOf("") }))).toBe("invalid-request");
    expect(await refusal(createSoftwareUnit({ ...options, address: "1.1" as UnitAddress }))).toBe(
      "invalid-request",
    );
    expect(await refusal(createSoftwareUnit({ ...options, kdf: { log2N: 30, r: 8, p: 1 } }))).toBe(
      "invalid-request",
    );
  });

  test("tells a wrong PIN from a file that is not there", async () => {
    const { path } = await oneUnit();
    expect(await refusal(open(path, "wrong"))).toBe("unit-pin-wrong");
    expect(await refusal(open(`${path}.absent`))).toBe("unit-missing");
  });

  test("refuses a file with one bit changed anywhere as tampered", async () => {
    const { path } = await oneUnit();
    const file = await readFile(path);
    const inState = Array.from(
      { length: 40 },
      (_, i) => HEADER_BYTES + Math.floor((i * (file.byteLength - HEADER_BYTES)) / 40),
    );
    const places = [...Array(HEADER_BYTES).keys(), ...inState, file.byteLength - 1];
    for (const at of places) {
      const changed = Uint8Array.from(file);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await writeFile(path, changed);
      expect([at, await refusal(open(path))]).toEqual([at, "unit-file-tampered"]);
    }
  });

  test("refuses a cut, a longer, an empty and an enormous file as tampered", async () => {
    const { path } = await oneUnit();
    const file = await readFile(path);
    const wrong = [
      file.subarray(0, 50),
      file.subarray(0, -1),
      Buffer.concat([file, Buffer.of(0)]),
      Buffer.alloc(0),
      Buffer.alloc(2 ** 21),
    ];
    for (const bytes of wrong) {
      await writeFile(path, bytes);
      expect(await refusal(open(path))).toBe("unit-file-tampered");
    }
  });

  test("a crash before the rename leaves the old registers, and the next open removes the leftover", async () => {
    const { unit, path, folder } = await oneUnit();
    const vp = await prepareCurrent(unit);
    await unit.close();
    await writeFile(`${path}.0123456789abcdef.tmp`, "half a fi");
    await writeFile(`${path}.bak`, "not ours");
    const again = await open(path);
    expect((await reading(again)).CURRENT.vp).toBe(vp);
    expect(await readdir(folder)).toEqual(["01.0000.unit", "01.0000.unit.bak"]);
    await again.close();
  });

  test("a command leaves no temporary file", async () => {
    const { unit, folder } = await oneUnit();
    await prepareCurrent(unit);
    expect(await readdir(folder)).toEqual(["01.0000.unit"]);
  });
});

describe("a software unit whose file changes under it", () => {
  test("does not answer while the file is gone, and goes on when it is back", async () => {
    const { unit, path } = await oneUnit();
    const vp = await prepareCurrent(unit);
    await rename(path, `${path}.away`);
    expect(await refusal(unit.registers.read())).toBe("unit-unreachable");
    expect(await refusal(unit.registers.execute({ verb: "generate", type: TYPE }))).toBe("unit-unreachable");
    expect(
      await refusal(unit.registers.pinPeer({ ...unit.description, address: "02.0000" as UnitAddress })),
    ).toBe("unit-unreachable");
    await expect(stat(path)).rejects.toThrow("ENOENT");
    await rename(`${path}.away`, path);
    expect(await reading(unit)).toMatchObject({ NEW: { state: "empty" }, CURRENT: { vp } });
  });

  test("shows the older registers of an older copy that was put in its place", async () => {
    const { unit, path } = await oneUnit();
    const vp = await prepareCurrent(unit);
    await copyFile(path, `${path}.old`);
    await unit.registers.execute({ verb: "activate", type: TYPE, vp: await prepareNew(unit) });
    await rename(`${path}.old`, path);
    expect(await reading(unit)).toMatchObject({ CURRENT: { vp }, OLD: { state: "empty" } });
    await prepareNew(unit);
  });

  test("takes note of a touched file whose bytes are the same", async () => {
    const { unit, path } = await oneUnit();
    const vp = await prepareCurrent(unit);
    await chmod(path, 0o400);
    expect((await reading(unit)).CURRENT.vp).toBe(vp);
  });

  test("refuses a changed file, and that of another unit, as tampered", async () => {
    const units = await makeSoftwareUnits(2);
    made.push(units);
    const [path, otherPath] = units.paths;
    const unit = present(units.units[0]);
    const file = await readFile(present(path));
    const changed = Uint8Array.from(file);
    changed[file.byteLength - 40] = (changed[file.byteLength - 40] ?? 0) ^ 1;
    await writeFile(present(path), changed);
    expect(await refusal(unit.registers.read())).toBe("unit-file-tampered");
    expect(await refusal(unit.registers.execute({ verb: "generate", type: TYPE }))).toBe(
      "unit-file-tampered",
    );
    await copyFile(present(otherPath), present(path));
    expect(await refusal(unit.registers.read())).toBe("unit-file-tampered");
    await writeFile(present(path), file);
    expect((await reading(unit)).CURRENT.state).toBe("empty");
  });

  test("changes no register when its folder is gone", async () => {
    const { unit, path, folder } = await oneUnit();
    const vp = await prepareCurrent(unit);
    const before = await readFile(path);
    await rename(folder, `${folder}.away`);
    expect(await refusal(unit.registers.execute({ verb: "generate", type: TYPE }))).toBe("unit-unreachable");
    await rename(`${folder}.away`, folder);
    expect(await reading(unit)).toMatchObject({ NEW: { state: "empty" }, CURRENT: { vp } });
    expect(Buffer.compare(await readFile(path), before)).toBe(0);
  });
});
