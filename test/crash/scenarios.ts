import {
  activateElsewhere,
  damageRow,
  loseSecondUnit,
  loseTargetWhileActivating,
  mendRow,
} from "./damage.ts";
import type { Found } from "./invariants.ts";
import type { Step } from "./operator.ts";
import { SECOND_UNIT, STEPS, THIRD_UNIT } from "./steps.ts";
import type { TemplateName } from "./templates.ts";

/** What an operator does from a template to an end, while clients work. */
export interface Scenario {
  readonly from: TemplateName;
  /** What befell the folder before. */
  readonly before?: (folder: string) => void | Promise<void>;
  /** What a person puts right in the database while no daemon runs, so that every row opens again. */
  readonly mend?: (folder: string) => void;
  /** Until the last step is done no project can be created: no unit holds what its KEK must be wrapped by. */
  readonly createsNothing?: true;
  readonly steps: readonly Step[];
  /** What must be true at the end, besides the invariants. Returns what is not. */
  readonly end: (found: Found) => string | undefined;
}

const S = STEPS;
const TO_DONE = [S.activate, S.finalize] as const;
const mend: Step = { verb: "(the row is put back)", act: async ({ folder }) => mendRow(folder) };

export const SCENARIOS = {
  "first start": { from: "empty", steps: [S.createPrincipal], end: firstStartIsWhole },
  "unit add": { from: "base", steps: [S.addUnit(THIRD_UNIT)], end: (found) => serve(found, 3) },
  "unit add during a change": {
    from: "ready",
    steps: [S.addUnit(THIRD_UNIT), ...TO_DONE],
    end: (found) => serve(found, 3) ?? isDone(found),
  },
  "unit leaves": {
    from: "base",
    steps: [S.quarantine, S.readmit, S.quarantine, S.remove, S.work],
    end: (found) => serve(found, 1),
  },
  "unit leaves, another comes": {
    from: "base",
    steps: [S.remove, S.create, S.generate, S.commit, S.reencipher, ...TO_DONE, S.addUnit(SECOND_UNIT)],
    end: (found) => serve(found, 2) ?? isDone(found),
  },
  keys: {
    from: "base",
    steps: [S.rotate, S.spareKey, S.disable, S.enable, S.createPrincipal, S.plan, S.work],
    end: (found) => serve(found, 2),
  },
  principals: {
    from: "base",
    steps: [S.createToken, S.disablePrincipal, S.enablePrincipal, S.revokeTokens, S.tokensAreDropped, S.work],
    end: (found) => serve(found, 2),
  },
  "release 0.1.0 taken over": { from: "release 0.1.0", steps: [S.createPrincipal], end: isTakenOver },
  "a key's end": {
    from: "base",
    steps: [
      S.spareKey,
      S.scheduleDeletion,
      S.cancelDeletion,
      S.scheduleDeletion,
      S.monthPasses,
      S.spareKey,
      S.work,
    ],
    end: (found) => serve(found, 2) ?? spareKeyIsNew(found),
  },
  "import of a key": {
    from: "base",
    steps: [S.importedKey, S.importMaterial, S.useImported, S.signingKey, S.signAndVerify, S.work],
    end: (found) => serve(found, 2) ?? importTokensAreUsed(found),
  },
  "clear new": { from: "base", steps: [S.generate, S.copy, S.clearNew], end: nothingInNew },

  "whole change": {
    from: "base",
    steps: [S.create, S.generate, S.copy, S.commit, S.reencipher, ...TO_DONE],
    end: isDone,
  },
  "re-encipher": { from: "staged", steps: [S.reencipher, S.work, ...TO_DONE], end: isDone },
  activate: { from: "ready", steps: TO_DONE, end: isDone },
  finalize: { from: "activated", steps: [S.finalize], end: isDone },
  purge: { from: "done", steps: [S.purge, S.approvePurge], end: isPurged },
  restore: { from: "done", steps: [S.restore, S.reencipher, ...TO_DONE], end: isRestored },

  "cancel when planned": { from: "base", steps: [S.create, S.cancel], end: isCanceled },
  "cancel when staged": { from: "staged", steps: [S.cancel], end: isCanceled },
  "cancel when re-enciphering": {
    from: "staged",
    before: (folder) => damageRow(folder, "wrapped"),
    mend: mendRow,
    steps: [S.reencipherUntilBlocked, S.cancel, mend],
    end: isCanceled,
  },
  "cancel when activating": {
    from: "ready",
    before: loseTargetWhileActivating,
    createsNothing: true,
    steps: [S.cancel],
    end: isCanceled,
  },
  "cancel when ready": { from: "ready", steps: [S.cancel], end: isCanceled },

  "a row that fails": {
    from: "staged",
    before: (folder) => damageRow(folder, "wrapped"),
    mend: mendRow,
    steps: [S.reencipherUntilBlocked, S.pause, mend, S.resume, ...TO_DONE],
    end: isDone,
  },
  "a second form that fails": {
    from: "ready",
    before: (folder) => damageRow(folder, "wrapped_new"),
    steps: [S.beginToActivate, S.resumeUntilActivated, S.finalize],
    end: isDone,
  },
  "activated elsewhere": {
    from: "ready",
    before: activateElsewhere,
    steps: [S.adopted, S.finalize],
    end: isDone,
  },
  "activated elsewhere too early": {
    from: "staged",
    before: activateElsewhere,
    steps: [S.reencipher, S.adopted, S.finalize],
    end: isDone,
  },
  "override of a lost unit": {
    from: "ready",
    before: loseSecondUnit,
    steps: [S.override, S.approveOverride, S.finalize],
    end: (found) => serve(found, 1) ?? isDone(found),
  },
} as const satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof SCENARIOS;

function serve({ registers }: Found, units: number): string | undefined {
  const serving = [...registers].filter(([, { state }]) => state === "serving");
  if (serving.length !== units) return `${serving.length} units serve, not ${units}`;
  const joining = [...registers].find(([, { state }]) => state === "joining");
  return joining && `unit ${joining[0]} is still joining`;
}

function isTakenOver({ counts }: Found): string | undefined {
  if (counts.formerPrincipals !== 0) return `${counts.formerPrincipals} principals are not taken over`;
  return counts.administrators === 1 ? undefined : `there are ${counts.administrators} administrators`;
}

function firstStartIsWhole(found: Found): string | undefined {
  if (found.rows.length === 0) return "there is no reserved project";
  if (found.counts.fences !== 1) return `there are ${found.counts.fences} fences`;
  if (found.counts.units !== 1) return `there are ${found.counts.units} units`;
  if (found.counts.rowMacKeys !== 1) return `there are ${found.counts.rowMacKeys} row-mac keys`;
  if (found.counts.administrators !== 1) return `there are ${found.counts.administrators} administrators`;
  return serve(found, 1);
}

/** One of that name was destroyed, with its material, and another one has the name. */
function spareKeyIsNew({ counts }: Found): string | undefined {
  if (counts.spareKeys !== 1) return `there are ${counts.spareKeys} keys of the name`;
  if (counts.destroyedKeys !== 1) return `${counts.destroyedKeys} keys were destroyed`;
  return counts.materialOfDestroyed === 0 ? undefined : "material of a destroyed key is left";
}

function importTokensAreUsed({ counts }: Found): string | undefined {
  return counts.importTokens === 0 ? undefined : `${counts.importTokens} import tokens are left`;
}

function isDone(found: Found): string | undefined {
  const [change] = found.changes;
  if (change?.state !== "DONE") return `the change is ${change?.state}`;
  if (change.approval) return "the change still waits for an approval";
  return onePattern(found);
}

/** Exactly one pattern, in rows and registers. */
function onePattern({ rows, changes: [change], registers }: Found): string | undefined {
  const patterns = new Set(rows.map(({ forms }) => forms.current?.vp));
  if (patterns.size !== 1 || !patterns.has(change?.to)) return `rows are under ${patterns.size} patterns`;
  if (rows.some(({ forms }) => forms.next)) return "a row still has a second form";
  for (const [address, { state, CURRENT, NEW }] of registers) {
    if (state !== "serving") continue;
    if (CURRENT !== change?.to) return `CURRENT of unit ${address} is not the target`;
    if (NEW !== undefined) return `NEW of unit ${address} is not empty`;
  }
  return undefined;
}

function isPurged(found: Found): string | undefined {
  const [change] = found.changes;
  if (change?.state !== "PURGED") return `the change is ${change?.state}`;
  if (found.rows.some(({ forms }) => forms.previous)) return "a row keeps its form of before";
  const holding = [...found.registers].find(([, { OLD }]) => OLD !== undefined);
  return holding ? `OLD of unit ${holding[0]} is not cleared` : onePattern(found);
}

function isRestored(found: Found): string | undefined {
  const [back, forth] = found.changes;
  if (back?.to !== forth?.from || back?.from !== forth?.to) return "the master key of before is not back";
  return isDone(found);
}

function isCanceled(found: Found): string | undefined {
  const [change] = found.changes;
  if (change?.state !== "CANCELED") return `the change is ${change?.state}`;
  return nothingInNew(found);
}

function nothingInNew({ rows, registers }: Found): string | undefined {
  if (rows.some(({ forms }) => forms.next)) return "a row still has a second form";
  const holding = [...registers].find(([, { NEW }]) => NEW !== undefined);
  return holding && `NEW of unit ${holding[0]} is not empty`;
}
