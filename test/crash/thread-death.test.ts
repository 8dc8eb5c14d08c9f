import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { SCRIPTS } from "../../packages/server/src/store/scripts.ts";
import { ClientLoad, checkLedger } from "./client-load.ts";
import { CHANGES_AFTERWARDS, EVERY_WRITE, NOT_AMONG_THEM } from "./every-write.ts";
import { checkInvariants } from "./invariants.ts";
import { Operator, drive } from "./operator.ts";
import type { Step } from "./operator.ts";
import { startVictim } from "./run-point.ts";
import { administrator } from "./service.ts";
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
    await drive(operator, EVERY_WRITE.map(unexcused));
    await load.stop();
    await checkLedger(client, run.ledger);
    client.close();
  } finally {
    victim.kill();
    await victim.gone;
  }
  const found = await checkInvariants(run.folder);
  expect(found.changes.map(({ state }) => state)).toEqual(CHANGES_AFTERWARDS);
  const writes = Object.entries(SCRIPTS).flatMap(([name, { kind }]) => (kind === "write" ? [name] : []));
  const kinds = new Set(readdirSync(died).map((kind) => kind.replace(/ .*/, "")));
  expect([...kinds, ...NOT_AMONG_THEM].toSorted()).toEqual(writes.toSorted());
});
