import { importAlgorithms } from "../../core/crypto/import-wrap.ts";
import { signingSpecs } from "../../core/crypto/signature-algorithms.ts";
import { DEFAULT_TYPE } from "../../core/ids.ts";
import type { UnitAbilities } from "../../core/unit/crypto-unit.ts";

/** A software unit can do everything that is asked of a unit, and seals with the suite that costs node:crypto least. */
export const ABILITIES = {
  masterKeyTypes: [DEFAULT_TYPE],
  recallOld: true,
  cloneForms: ["1", "2-sha256", "2-sha1"],
  payloadSuite: 2,
  signingSpecs: signingSpecs(),
  importAlgorithms: importAlgorithms(),
  keepsAnchors: true,
} as const satisfies UnitAbilities;
