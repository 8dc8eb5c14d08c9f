import { Failure } from "./core/errors.ts";
import type { UnitAddress } from "./core/ids.ts";
import type { UnitFolder } from "./core/ports/unit-folder.ts";
import type { Config } from "./ops/config.ts";
import type { DataFolder } from "./ops/data-folder.ts";
import { renameDurably, writeSecretFile } from "./ops/data-folder.ts";
import type { TokenOpener } from "./units/pkcs11/open-pkcs11-unit.ts";
import { pkcs11UnitFolder } from "./units/pkcs11/pkcs11-unit-folder.ts";
import type { KdfParameters } from "./units/software/pin-key.ts";
import { softwareUnitFolder } from "./units/software/software-unit-folder.ts";

export interface UnitFolderOptions extends UnitSubstitutes {
  /** Takes a sentence about a unit for the log. */
  readonly onTrouble?: (text: string) => void;
}

/** What tests put in the place of what is slow, or not at hand. */
export interface UnitSubstitutes {
  readonly kdf?: KdfParameters | undefined;
  readonly opener?: TokenOpener | undefined;
}

/**
 * The units of the data folder, of both kinds. An address has one of them: what is there decides, and for a new unit whether
 * a token is given or reserved for the address.
 * @throws Failure `config-invalid` for a token in the configuration that cannot be read.
 */
export function unitFolder(
  data: Pick<DataFolder, "units" | "pins">,
  { pkcs11: rules }: Pick<Config, "pkcs11">,
  { kdf, opener, onTrouble }: UnitFolderOptions = {},
): UnitFolder {
  const { units, pins } = data;
  const software = softwareUnitFolder({ units, pins, writeSecretFile, ...(kdf && { kdf }) });
  const tokens = pkcs11UnitFolder({
    units,
    rules,
    writeSecretFile,
    renameDurably,
    ...(opener && { opener }),
    ...(onTrouble && { onTrouble }),
  });
  const isIn = async (folder: Pick<UnitFolder, "list">, address: UnitAddress) =>
    (await folder.list()).includes(address);
  return {
    create: async (address, group, attachment) => {
      const isToken = attachment !== undefined || tokens.reserved().includes(address);
      const [wanted, other] = isToken ? [tokens, software] : [software, tokens];
      if (await isIn(other, address))
        throw new Failure(
          "unit-exists",
          `there is ${isToken ? "a software unit" : "a PKCS#11 token"} at address ${address}`,
        );
      return await wanted.create(address, group, attachment);
    },
    open: async (address) =>
      (await isIn(tokens, address)) ? await tokens.open(address) : await software.open(address),
    list: async () => [...(await software.list()), ...(await tokens.list())],
    reserved: () => tokens.reserved(),
    setAside: async (address) => {
      await tokens.setAside(address);
      await software.setAside(address);
    },
  };
}
