import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { UnitAddress } from "../../packages/server/src/core/ids.ts";
import { DEFAULT_GROUP } from "../../packages/server/src/core/ids.ts";
import type { CryptoUnit } from "../../packages/server/src/core/unit/crypto-unit.ts";
import type { OpenPkcs11Unit } from "../../packages/server/src/units/pkcs11/open-pkcs11-unit.ts";
import { createPkcs11Unit, openPkcs11Unit } from "../../packages/server/src/units/pkcs11/open-pkcs11-unit.ts";
import type { TokenSoftwareName } from "../pkcs11/token-software.ts";
import type { TestToken } from "../pkcs11/tokens.ts";
import { copyToken, nssToken, softHsmToken } from "../pkcs11/tokens.ts";
import type { UnitsForTest } from "./crypto-unit-contract.ts";

/** Tokens that are units without master keys, made once in a process and copied for each test: an RSA key takes its time. */
const blanks = new Map<string, Promise<TestToken>>();

/** How a unit of the default group is opened on a token, whose PIN stands in a file in its folder. */
export function unitOn(
  token: TestToken,
  address: UnitAddress,
  more: Partial<OpenPkcs11Unit> = {},
): OpenPkcs11Unit {
  const stateFolder = join(token.folder, "state");
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  const pinFile = join(token.folder, "unit.pin");
  writeFileSync(pinFile, `${token.pin}\n`, { mode: 0o600 });
  const { module, libraryParameters, label, serial, environment } = token;
  return {
    address,
    group: DEFAULT_GROUP,
    location: {
      modulePath: module,
      pinFile,
      token: label,
      serial,
      ...(libraryParameters !== undefined && { libraryParameters }),
    },
    environment,
    stateFolder,
    isClonable: true,
    hosts: 2,
    ...more,
  };
}

async function blank(software: TokenSoftwareName, address: UnitAddress): Promise<TestToken> {
  const token = software === "nss" ? nssToken() : softHsmToken(`unit ${address}`);
  const unit = await createPkcs11Unit(unitOn(token, address));
  await unit.close();
  return token;
}

export interface Pkcs11UnitsForTest extends UnitsForTest {
  readonly tokens: readonly TestToken[];
}

/** `count` units of the default group, each on a token of its own, addresses 01.0000, 02.0000 … */
export async function makePkcs11Units(
  count: number,
  software: TokenSoftwareName,
): Promise<Pkcs11UnitsForTest> {
  const tokens: TestToken[] = [];
  const units: CryptoUnit[] = [];
  for (let i = 1; i <= count; i++) {
    const address = `0${i}.0000` as UnitAddress;
    const name = `${software} ${address}`;
    const made = blanks.get(name) ?? blank(software, address);
    blanks.set(name, made);
    const token = copyToken(await made);
    tokens.push(token);
    units.push(await openPkcs11Unit(unitOn(token, address)));
  }
  return {
    units,
    tokens,
    async dispose() {
      for (const unit of units) await unit.close();
      for (const token of tokens) token[Symbol.dispose]();
    },
  };
}
