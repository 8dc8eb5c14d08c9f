import { Failure } from "../../core/errors.ts";
import type { AnchorFace } from "../../core/unit/crypto-unit.ts";

const refuse = async (): Promise<never> => {
  throw new Failure("unit-lacks-ability", "a token has no place for anchors that every module would give");
};

/** Of a unit that keeps no anchors: data objects are what tokens agree on least (NSS has none). */
export const NO_ANCHORS: AnchorFace = { read: refuse, keep: refuse };
