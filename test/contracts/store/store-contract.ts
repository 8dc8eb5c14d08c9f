import { describe } from "vitest";
import { censusContract } from "./census-contract.ts";
import { changesContract } from "./changes-contract.ts";
import { keysContract } from "./keys-contract.ts";
import { momentsContract } from "./moments-contract.ts";
import { placeContract } from "./place-contract.ts";
import { principalsContract } from "./principals-contract.ts";
import { projectsContract } from "./projects-contract.ts";
import { rewrapContract } from "./rewrap-contract.ts";
import type { StoreBackEnd } from "./store-rig.ts";
import { storeRig } from "./store-rig.ts";
import { sweepsContract } from "./sweeps-contract.ts";
import { unitsContract } from "./units-contract.ts";

/** Rules 1, 2, 3 and 6 of the master-key change, and what every store promises besides: a file for each part of the port. */
export function storeContract(backEnd: StoreBackEnd): void {
  describe(`store: ${backEnd.name}`, () => {
    const rig = storeRig(backEnd);
    projectsContract(rig);
    keysContract(rig);
    principalsContract(rig);
    unitsContract(rig);
    changesContract(rig);
    rewrapContract(rig);
    sweepsContract(rig);
    censusContract(rig);
    momentsContract(rig);
    placeContract(rig);
  });
}
