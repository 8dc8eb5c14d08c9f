import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { SCRIPTS } from "../../packages/server/src/store/scripts.ts";
import { checkLedger, encrypt } from "./client-load.ts";
import { CHANGES_AFTERWARDS, EVERY_WRITE, NOT_AMONG_THEM } from "./every-write.ts";
import { checkInvariants } from "./invariants.ts";
import { Operator } from "./operator.ts";
import type { Step } from "./operator.ts";
import { KEY, LEADS_TO, REQUESTS, refusalOf, rowsOf } from "./requests.ts";
import { startVictim } from "./run-point.ts";
import type { StatementFault } from "./statement-faults.ts";
import { SAID, StatementFaults } from "./statement-faults.ts";
import { Templates } from "./templates.ts";

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
    [Symbol.asyncDispose]: async () => {
      operator[Symbol.dispose]();
      victim.kill();
      await victim.gone;
    },
  };
}

/**
 * Does each request again and again, with a fault that `arm` orders each time, until there is none any more. Returns how
 * many statements have failed.
 */
async function requestsThroughFaults(
  { run, faults, operator }: Awaited<ReturnType<typeof start>>,
  arm: (request: string, nth: number) => void,
  code: string,
): Promise<number> {
  let names = 0;
  for (const [name, { act, prepare, from, to = "enabled" }] of Object.entries(REQUESTS)) {
    let clean = false;
    for (let nth = 1; !clean; nth += 1) {
      names += 1;
      if (from) await LEADS_TO[from].lead(operator);
      await prepare?.(operator);
      const before = rowsOf(run.folder);
      const hits = faults.hits().length;
      arm(name, nth);
      const refused = await refusalOf(() => act(operator, names));
      faults.disarm();
      const [hit] = faults.hits().slice(hits);
      clean = hit === undefined;
      const where = `${name}, ${hit ?? "no fault"}`;
      if (clean) expect(refused?.code, where).toBeUndefined();
      if (refused) {
        expect(refused.code, where).toBe(code);
        expect(rowsOf(run.folder), where).toBe(before);
        const again = await refusalOf(() => act(operator, names));
        expect(again?.code, `${where}, repeated`).toBeUndefined();
      }
      expect(rowsOf(run.folder), where).not.toBe(before);
      const { state } = await operator.client.keys.get(KEY);
      expect(state, where).toBe(to);
      const use = await refusalOf(() => encrypt(operator.client, run.ledger, "shop-1"));
      expect(use?.code, where).toBe(LEADS_TO[to].refusal);
    }
  }
  await operator.client.keys.enable(KEY);
  await checkLedger(operator.client, run.ledger);
  expect(await operator.client.audit.verify()).toMatchObject({ verified: true, faults: [] });
  expect(faults.wrong()).toEqual([]);
  return faults.hits().length;
}

/** Each verb as often as it is refused for a fault. */
async function throughFaults(operator: Operator, steps: readonly Step[], code: string): Promise<void> {
  for (const { verb, act, done, until } of steps) {
    for (;;) {
      const refused = await refusalOf(() => act(operator));
      if (!refused || done?.includes(refused.code) === true) break;
      if (refused.code !== code) throw new Error(`${verb}: ${refused.message}`, { cause: refused });
    }
    await until?.(operator);
  }
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

/** Kinds of calls of which not every statement has failed, from BEGIN to COMMIT. */
function halfFailed(hits: readonly string[]): readonly string[] {
  const failed = new Map<string, Map<number, string>>();
  for (const hit of hits) {
    const [, kind = "", place = "", verb = ""] = /^(.*) #(\d+) (\w+)$/.exec(hit) ?? [];
    const statements = failed.get(kind) ?? new Map<number, string>();
    failed.set(kind, statements.set(Number(place), verb));
  }
  return [...failed].flatMap(([kind, statements]) => {
    const last = Math.max(...statements.keys());
    const whole =
      statements.size === last && statements.get(1) === "BEGIN" && statements.get(last) === "COMMIT";
    return whole ? [] : [`${kind}: ${[...statements].join(" ")}`];
  });
}

test("when a statement fails by which a request reads, it is refused and nothing was done, or is done and says so", async () => {
  await using started = await start("reads", 1_000);
  const failed = await requestsThroughFaults(started, (_, nth) => started.faults.armRead(nth), SAID.io);
  expect(failed).toBeGreaterThan(3 * Object.keys(REQUESTS).length); // a read has a BEGIN and a COMMIT
  await started[Symbol.asyncDispose]();
  await checkInvariants(started.run.folder);
});
