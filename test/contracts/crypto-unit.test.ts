import type { UnitAbilities } from "../../packages/server/src/core/unit/crypto-unit.ts";
import { anchorContract } from "./anchor-contract.ts";
import { cloneContract } from "./clone-contract.ts";
import type { UnitKind } from "./crypto-unit-contract.ts";
import { cryptoUnitContract } from "./crypto-unit-contract.ts";
import { importContract } from "./import-contract.ts";
import { signingContract } from "./signing-contract.ts";
import { makeSoftwareUnits } from "./software-units.ts";

const abilities: UnitAbilities = {
  masterKeyTypes: ["WK"],
  recallOld: true,
  cloneForms: ["1", "2-sha256", "2-sha1"],
  payloadSuite: 2,
  signingSpecs: ["EC_P256", "EC_P384", "RSA_3072", "ED25519"],
  importAlgorithms: ["RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_256"],
  keepsAnchors: true,
};
const inline: UnitKind = {
  name: "software unit, batches inline",
  abilities,
  make: (count) => makeSoftwareUnits(count, "inline"),
};
const inThread: UnitKind = {
  name: "software unit, batches in their thread",
  abilities,
  make: (count) => makeSoftwareUnits(count, "own"),
};

cryptoUnitContract(inline);
cryptoUnitContract(inThread);
cloneContract(inline);
importContract(inline);
signingContract(inline);
anchorContract(inline);
