import { mkdtempSync, rmSync } from "node:fs";
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

const KDF = { log2N: 4, r: 8, p: 1 } as const;
const ADDRESS = "01.0001" as UnitAddress;

/** Where the master keys of a bench are, to be opened anew for each round. */
export interface UnitPlace extends Disposable {
  /** A unit with empty registers. */
  create(): Promise<CryptoUnit>;
  open(): Promise<CryptoUnit>;
}

/** A software unit in a folder of its own. */
export function softwareUnitPlace(): UnitPlace {
  const folder = mkdtempSync(join(tmpdir(), "claviger-rewrap-"));
  const path = join(folder, `${ADDRESS}.unit`);
  const pin = () => new SecretBytes(Buffer.from("bench"));
  return {
    create: () => createSoftwareUnit({ path, pin: pin(), address: ADDRESS, group: DEFAULT_GROUP, kdf: KDF }),
    open: () => openSoftwareUnit({ path, pin: pin() }),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}
