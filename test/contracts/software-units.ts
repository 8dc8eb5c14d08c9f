import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { UnitAddress } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP } from "../../packages/server/src/core/ids.ts";
import { SecretBytes } from "../../packages/server/src/core/secret/secret-bytes.ts";
import type { CryptoUnit } from "../../packages/server/src/core/unit/crypto-unit.ts";
import {
  createSoftwareUnit,
  openSoftwareUnit,
} from "../../packages/server/src/units/software/software-unit.ts";
import type { UnitsForTest } from "./crypto-unit-contract.ts";

/** A KDF that costs nothing: for tests that do not test it. */
export const CHEAP_KDF = { log2N: 4, r: 8, p: 1 } as const;
export const TEST_PIN = "correct horse battery";

export function pinOf(text: string): SecretBytes {
  return new SecretBytes(new TextEncoder().encode(text));
}

/** Empty units made once in a process and copied for each test, because an RSA key takes its time to make. */
const blanks = new Map<UnitAddress, Promise<Uint8Array>>();

async function blankUnit(address: UnitAddress): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "claviger-blank-"));
  const path = join(folder, `${address}.unit`);
  const unit = await createSoftwareUnit({
    path,
    pin: pinOf(TEST_PIN),
    address,
    group: DEFAULT_GROUP,
    kdf: CHEAP_KDF,
  });
  await unit.close();
  const file = await readFile(path);
  await rm(folder, { recursive: true });
  return file;
}

export interface SoftwareUnitsForTest extends UnitsForTest {
  readonly folder: string;
  readonly paths: readonly string[];
}

/** `count` units of the default group in a folder of their own, PIN `TEST_PIN`, addresses 01.0000, 02.0000 … */
export async function makeSoftwareUnits(
  count: number,
  thread: "own" | "inline" = "inline",
): Promise<SoftwareUnitsForTest> {
  const folder = await mkdtemp(join(tmpdir(), "claviger-units-"));
  const paths: string[] = [];
  const units: CryptoUnit[] = [];
  for (let i = 1; i <= count; i++) {
    const address = `0${i}.0000` as UnitAddress;
    const blank = blanks.get(address) ?? blankUnit(address);
    blanks.set(address, blank);
    const path = join(folder, `${address}.unit`);
    await writeFile(path, await blank, { mode: 0o600 });
    paths.push(path);
    units.push(await openSoftwareUnit({ path, pin: pinOf(TEST_PIN), thread }));
  }
  return {
    units,
    folder,
    paths,
    async dispose() {
      for (const unit of units) await unit.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
