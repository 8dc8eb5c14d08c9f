import { existsSync } from "node:fs";
import { join } from "node:path";
import type { CryptoUnit } from "../packages/server/src/core/unit/crypto-unit.ts";
import type { OpenPkcs11Unit, TokenOpener } from "../packages/server/src/units/pkcs11/open-pkcs11-unit.ts";
import { createSoftwareUnit, openSoftwareUnit } from "../packages/server/src/units/software/software-unit.ts";
import { CHEAP_KDF, pinOf, TEST_PIN } from "./contracts/software-units.ts";

export interface SoftTokens extends TokenOpener {
  /** What was asked for, in order. */
  readonly calls: (OpenPkcs11Unit & { readonly call: "create" | "open" })[];
  /** Whether master keys can be copied into these tokens. */
  clones: boolean;
}

/**
 * Tokens whose content is a software unit in `folder`, by their label: it is there whoever attaches the token, and stays
 * when the unit goes. With them is tested what the service does about a token, and nothing of what a token does.
 */
export function softTokens(folder: string): SoftTokens {
  const calls: SoftTokens["calls"] = [];
  const pathOf = ({ location }: OpenPkcs11Unit): string =>
    join(folder, `${location.token ?? "none"}.content`);
  const asToken = (unit: CryptoUnit, { address, group }: OpenPkcs11Unit): CryptoUnit => ({
    ...unit,
    description: {
      ...unit.description,
      address,
      group,
      adapter: "pkcs11",
      abilities: { ...unit.description.abilities, ...(!tokens.clones && { cloneForms: [] }) },
    },
  });
  const open = async (options: OpenPkcs11Unit): Promise<CryptoUnit> => {
    const unit = await openSoftwareUnit({ path: pathOf(options), pin: pinOf(TEST_PIN), thread: "inline" });
    return asToken(unit, options);
  };
  const tokens: SoftTokens = {
    calls,
    clones: true,
    create: async (options) => {
      calls.push({ ...options, call: "create" });
      const { address, group } = options;
      const [path, pin] = [pathOf(options), pinOf(TEST_PIN)];
      if (existsSync(path)) return await open(options);
      return asToken(await createSoftwareUnit({ path, pin, address, group, kdf: CHEAP_KDF }), options);
    },
    open: async (options) => {
      calls.push({ ...options, call: "open" });
      return await open(options);
    },
  };
  return tokens;
}
