import type { TokenSoftwareName } from "../pkcs11/token-software.ts";
import { isWithout } from "../set-up/without.ts";
import { anchorContract } from "./anchor-contract.ts";
import { cloneContract } from "./clone-contract.ts";
import type { UnitKind } from "./crypto-unit-contract.ts";
import { cryptoUnitContract } from "./crypto-unit-contract.ts";
import { importContract } from "./import-contract.ts";
import { makePkcs11Units } from "./pkcs11-units.ts";
import { signingContract } from "./signing-contract.ts";

const EVERY_TOKEN = {
  masterKeyTypes: ["WK"],
  recallOld: true,
  payloadSuite: 3,
  keepsAnchors: false,
} as const;

const softHsm: UnitKind = {
  name: "SoftHSM",
  abilities: {
    ...EVERY_TOKEN,
    cloneForms: ["2-sha1"],
    signingSpecs: ["RSA_3072", "EC_P256", "EC_P384"],
    importAlgorithms: [],
  },
  make: (count) => makePkcs11Units(count, "softhsm2"),
};
const nss: UnitKind = {
  name: "NSS softokn",
  abilities: {
    ...EVERY_TOKEN,
    cloneForms: ["2-sha256", "2-sha1"],
    signingSpecs: ["RSA_3072"],
    importAlgorithms: ["RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_256"],
  },
  make: (count) => makePkcs11Units(count, "nss"),
};
const kinds: readonly (readonly [TokenSoftwareName, UnitKind])[] = [
  ["softhsm2", softHsm],
  ["nss", nss],
];

for (const [software, kind] of kinds) {
  if (isWithout(software)) continue;
  cryptoUnitContract(kind);
  cloneContract(kind);
  importContract(kind);
  signingContract(kind);
  anchorContract(kind);
}
