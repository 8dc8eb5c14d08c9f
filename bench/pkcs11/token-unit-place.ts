import type { UnitAddress } from "../../packages/server/src/core/ids.ts";
import { createPkcs11Unit, openPkcs11Unit } from "../../packages/server/src/units/pkcs11/open-pkcs11-unit.ts";
import { unitOn } from "../../test/contracts/pkcs11-units.ts";
import type { TestToken } from "../../test/pkcs11/tokens.ts";
import type { UnitPlace } from "../rewrap/unit-place.ts";

/** A unit on a token, with as many unit hosts as there are cores, as the daemon has. */
export function tokenUnitPlace(token: TestToken): UnitPlace {
  const { hosts: _, ...unit } = unitOn(token, "01.0001" as UnitAddress);
  return {
    create: () => createPkcs11Unit(unit),
    open: () => openPkcs11Unit(unit),
    [Symbol.dispose]: () => undefined, // it goes with its token
  };
}
