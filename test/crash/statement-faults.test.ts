import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { SCRIPTS } from "../../packages/server/src/store/scripts.ts";
import { checkLedger } from "./client-load.ts";
import { CHANGES_AFTERWARDS, EVERY_WRITE, NOT_AMONG_THEM } from "./every-write.ts";
import { checkInvariants } from "./invariants.ts";
import { Operator } from "./operator.ts";
import type { Step } from "./operator.ts";
import { REQUESTS, rowsOf } from "./requests.ts";
import { startVictim } from "./run-point.ts";
import type { StatementFault } from "./statement-faults.ts";
import { SAID, StatementFaults } from "./statement-faults.ts";
import { Templates } from "./templates.ts";
import { halfFailed, requestsThroughFaults, throughFaults } from "./through-faults.ts";

/*
 * Each statement of each transaction fails once, from BEGIN to COMMIT, beneath the store: what failed has left nothing
 * behind, whoever asked for it is told so, and it is done when it is asked for again.
 */

const templates = new Templates(5);
afterAll(() => templates[Symbol.dispose]());
/** The service goes on at once after a fault in the background. */
const LONGEST_SLEEP_MS = 20;

async function start(name: string, longestSleepMs: number) {
  const run = await templates.copy("base");
  const faults = new StatementFaults(join(templates.root, name));
  const args = [run.folder, "none", "", "", String(longestSleepMs)];
  const victim = await startVictim(templates, args, faults.preload);
  const operator = new Operator(
    { url: (await victim.url) ?? "", folder: run.folder },
    { ...run, gone: victim.isGone, retries: 0 },
  );
  return {
    run,
    faults,
    operator,
    rows: async () => rowsOf(run.folder),
    [Symbol.asyncDispose]: async () => {
      operator[Symbol.dispose]();
      victim.kill();
      await victim.gone;
    },
  };
}

describe.for(["full", "io"] as const satisfies readonly StatementFault[])(
  "when a statement of a write fails (%s)",
  (fault) => {
    test("a request is refused and nothing was done, or is done and says so; repeated it is done", async () => {
      await using started = await start(`requests-${fault}`, 1_000);
      const failed = await requestsThroughFaults(
        started,
        (request) => started.faults.armWrites(fault, request),
        SAID[fault],
      );
      expect(started.faults.wrong()).toEqual([]);
      expect(failed).toBeGreaterThan(5 * Object.keys(REQUESTS).length); // a transaction that writes and is recorded
      await started[Symbol.asyncDispose]();
      await checkInvariants(started.run.folder);
    });

    test("nothing is left behind by any kind of write, and every verb leads to its end when it is repeated", async () => {
      await using started = await start(`verbs-${fault}`, LONGEST_SLEEP_MS);
      const { run, faults, operator } = started;
      faults.armWrites(fault, "verbs");
      const create: Step = {
        verb: "project create",
        act: ({ client }) => client.projects.create({ name: "created" }),
      };
      await throughFaults(operator, [create, ...EVERY_WRITE], SAID[fault]);
      faults.disarm();
      expect(faults.wrong()).toEqual([]);
      await checkLedger(operator.client, run.ledger);
      expect(await operator.client.audit.verify()).toMatchObject({ verified: true, faults: [] });
      await started[Symbol.asyncDispose]();
      const found = await checkInvariants(run.folder);
      expect(found.changes.map(({ state }) => state)).toEqual(CHANGES_AFTERWARDS);
      expect(halfFailed(faults.hits())).toEqual([]);
      const kinds = new Set(faults.hits().map((hit) => hit.split(" ", 1)[0] ?? ""));
      const writes = Object.entries(SCRIPTS).flatMap(([name, { kind }]) => (kind === "write" ? [name] : []));
      expect([...kinds, ...NOT_AMONG_THEM].toSorted()).toEqual(writes.toSorted());
    });
  },
);

test("when a statement fails by which a request reads, it is refused and nothing was done, or is done and says so", async () => {
  await using started = await start("reads", 1_000);
  const failed = await requestsThroughFaults(started, (_, nth) => started.faults.armRead(nth), SAID.io);
  expect(failed).toBeGreaterThan(3 * Object.keys(REQUESTS).length); // a read has a BEGIN and a COMMIT
  await started[Symbol.asyncDispose]();
  await checkInvariants(started.run.folder);
});
