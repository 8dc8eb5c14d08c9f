import type { Step } from "./operator.ts";
import { STEPS as S, THIRD_UNIT } from "./steps.ts";

const CHANGE = [S.create, S.generate, S.copy, S.commit, S.reencipher];
const TO_DONE = [S.activate, S.finalize];
/** What an operator does so that every kind of write of the store is made, from the template `base`. */
export const EVERY_WRITE: readonly Step[] = [
  S.rotate,
  S.spareKey,
  S.disable,
  S.enable,
  S.scheduleDeletion,
  S.monthPasses,
  S.importedKey,
  S.importMaterial,
  S.createPrincipal,
  S.disablePrincipal,
  S.enablePrincipal,
  S.createToken,
  S.revokeTokens,
  S.tokensAreDropped,
  { verb: "audit rotate-key", act: ({ client }) => client.audit.rotateKey() },
  S.addUnit(THIRD_UNIT),
  S.quarantine,
  S.readmit,
  { ...S.remove, act: ({ client }) => client.units.remove(THIRD_UNIT) },
  ...CHANGE,
  S.cancel,
  ...CHANGE,
  ...TO_DONE,
  S.restore,
  S.reencipher,
  ...TO_DONE,
  S.purge,
  S.approvePurge,
];

/** The states of the changes when they are done, the newest first. */
export const CHANGES_AFTERWARDS = ["PURGED", "DONE", "CANCELED"];

/**
 * A first start writes it, or that of a newer release, and a daemon that does not start says so; or a failure of the
 * machine has to come first, or a restore (restore.test.ts), or an older database (anchors.test.ts), or a token
 * (test/e2e/older-database.test.ts).
 */
export const NOT_AMONG_THEM = [
  "acceptRollback",
  "adoptFormerPrincipal",
  "createFence",
  "dropLeases",
  "markRollback",
  "noteGeneration",
];
