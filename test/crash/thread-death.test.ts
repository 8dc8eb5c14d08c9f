import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { SCRIPTS } from "../../packages/server/src/store/scripts.ts";
import { ClientLoad, checkLedger } from "./client-load.ts";
import { checkInvariants } from "./invariants.ts";
import { Operator, drive } from "./operator.ts";
import type { Step } from "./operator.ts";
import { startVictim } from "./run-point.ts";
import { administrator } from "./service.ts";
import { STEPS as S, THIRD_UNIT } from "./steps.ts";
import { Templates } from "./templates.ts";

/*
 * The thread that writes the store dies when it has committed and before it has answered: once at every kind of write.
 * Nobody repeats a verb here, and none may be refused: what was done is said to be done, and the service goes on with a
 * new thread.
 */
const templates = new Templates(20);
afterAll(() => templates[Symbol.dispose]());

/** A step that is refused as done already was done by its own first attempt, which said otherwise: no excuse here. */
const unexcused = (step: Step): Step => ({
  verb: step.verb,
  act: step.act,
  ...(step.until && { until: step.until }),
});

const CHANGE = [S.create, S.generate, S.copy, S.commit, S.reencipher];
const TO_DONE = [S.activate, S.finalize];
const STEPS: readonly Step[] = [
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
  S.addUnit(THIRD_UNIT),
  S.quarantine,
  S.readmit,
  { verb: "unit remove", act: ({ client }) => client.units.remove(THIRD_UNIT) },
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

/**
 * A first start writes it, or that of a newer release, and a daemon that does not start says so; or a failure of the
 * machine has to come first, or a restore (restore.test.ts), or an older database (anchors.test.ts).
 */
const NOT_HERE = [
  "acceptRollback",
  "addAuditKey",
  "adoptFormerPrincipal",
  "createFence",
  "dropLeases",
  "markRollback",
];

test("a store thread that dies between COMMIT and answer is replaced, and every write tells the truth", async () => {
  const run = await templates.copy("base");
  const died = join(templates.root, "died");
  mkdirSync(died);
  const preload = new URL("./die-unanswered.ts", import.meta.url);
  const victim = await startVictim(templates, [run.folder, "none"], `${preload.href}?${died}`);
  try {
    const at = { url: (await victim.url) ?? "", folder: run.folder };
    const client = administrator(at, 2);
    const load = new ClientLoad(client, run.ledger, "load");
    using operator = new Operator(at, { ...run, load, gone: victim.isGone, retries: 0 });
    await drive(operator, STEPS.map(unexcused));
    await load.stop();
    await checkLedger(client, run.ledger);
    client.close();
  } finally {
    victim.kill();
    await victim.gone;
  }
  const found = await checkInvariants(run.folder);
  expect(found.changes.map(({ state }) => state)).toEqual(["PURGED", "DONE", "CANCELED"]);
  const writes = Object.entries(SCRIPTS).flatMap(([name, { kind }]) => (kind === "write" ? [name] : []));
  const kinds = new Set(readdirSync(died).map((kind) => kind.replace(/ .*/, "")));
  expect([...kinds, ...NOT_HERE].toSorted()).toEqual(writes.toSorted());
});
