import { anchorContract } from "./anchor-contract.ts";
import { cryptoUnitContract } from "./crypto-unit-contract.ts";
import { importContract } from "./import-contract.ts";
import { signingContract } from "./signing-contract.ts";
import { makeSoftwareUnits } from "./software-units.ts";

cryptoUnitContract("software unit, batches inline", (count) => makeSoftwareUnits(count, "inline"));
cryptoUnitContract("software unit, batches in their thread", (count) => makeSoftwareUnits(count, "own"));
importContract("software unit", (count) => makeSoftwareUnits(count, "inline"));
signingContract("software unit", (count) => makeSoftwareUnits(count, "inline"));
anchorContract("software unit", (count) => makeSoftwareUnits(count, "inline"));
