import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../../core/errors.ts";
import type { GroupName, UnitAddress } from "../../core/ids.ts";
import { isUnitAddress } from "../../core/ids.ts";
import type { UnitFolder } from "../../core/ports/unit-folder.ts";
import { SecretBytes } from "../../core/secret/secret-bytes.ts";
import type { CryptoUnit } from "../../core/unit/crypto-unit.ts";
import { anchorsPath } from "./anchor-file.ts";
import { renameDurably } from "./durable-file.ts";
import type { KdfParameters } from "./pin-key.ts";
import { createSoftwareUnit, openSoftwareUnit } from "./software-unit.ts";

const UNIT_SUFFIX = ".unit";
const PIN_SUFFIX = ".pin";
/** Behind the names of what is set aside; the unit's file and its PIN have the same. */
const MARK = ".removed-";

export interface SoftwareUnitFolderOptions {
  /** Folder of the sealed files. */
  readonly units: string;
  /** Folder of the PIN files: another one, so that neither alone opens a unit. */
  readonly pins: string;
  /** Writes a file for its owner only, durably; refuses to replace one. */
  readonly writeSecretFile: (path: string, content: string) => void;
  readonly kdf?: KdfParameters;
}

/** Software units as files: `<units>/<address>.unit`, each with its PIN in `<pins>/<address>.pin`. */
export function softwareUnitFolder(options: SoftwareUnitFolderOptions): UnitFolder {
  const unitPath = (address: UnitAddress) => join(options.units, address + UNIT_SUFFIX);
  const pinPath = (address: UnitAddress) => join(options.pins, address + PIN_SUFFIX);

  const open = async (address: UnitAddress): Promise<CryptoUnit> => {
    const path = unitPath(address);
    if (!existsSync(path))
      throw new Failure("unit-missing", `the sealed file of unit ${address} is not at ${path}`);
    using pin = readPin(address, pinPath(address));
    return await openSoftwareUnit({ path, pin });
  };

  const create = async (address: UnitAddress, group: GroupName): Promise<CryptoUnit> => {
    const path = unitPath(address);
    if (existsSync(path)) {
      const left = await open(address);
      if (left.description.group === group) return left;
      await left.close();
      throw new Failure("unit-exists", `unit ${address} belongs to another group`);
    }
    if (!existsSync(pinPath(address)))
      options.writeSecretFile(pinPath(address), `${randomBytes(24).toString("base64url")}\n`);
    using pin = readPin(address, pinPath(address));
    return await createSoftwareUnit({ path, pin, address, group, ...(options.kdf && { kdf: options.kdf }) });
  };

  /** The mark under which an interrupted removal has set the sealed file aside, and not the PIN yet. */
  const markLeft = (address: UnitAddress): string | undefined => {
    if (existsSync(unitPath(address)) || !existsSync(pinPath(address))) return undefined;
    const prefix = address + UNIT_SUFFIX;
    return readdirSync(options.units)
      .filter((name) => name.startsWith(prefix + MARK))
      .map((name) => name.slice(prefix.length))
      .find((mark) => !existsSync(pinPath(address) + mark));
  };

  return {
    create,
    open,
    list: async () =>
      readdirSync(options.units)
        .filter((name) => name.endsWith(UNIT_SUFFIX))
        .map((name) => name.slice(0, -UNIT_SUFFIX.length))
        .filter(isUnitAddress),
    reserved: () => [],
    setAside: async (address) => {
      const mark = markLeft(address) ?? `${MARK}${randomBytes(4).toString("hex")}`;
      for (const path of [unitPath(address), anchorsPath(unitPath(address)), pinPath(address)])
        await renameDurably(path, path + mark);
    },
  };
}

function readPin(address: UnitAddress, path: string): SecretBytes {
  try {
    const content = readFileSync(path);
    const end = content.indexOf("\n");
    const pin = new SecretBytes(Uint8Array.from(end < 0 ? content : content.subarray(0, end)));
    content.fill(0);
    return pin;
  } catch (error) {
    throw new Failure("unit-pin-wrong", `the PIN file of unit ${address} cannot be read at ${path}`, {
      cause: error,
    });
  }
}
