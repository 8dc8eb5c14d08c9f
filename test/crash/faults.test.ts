import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { Failure } from "../../packages/server/src/core/errors.ts";
import { interpose } from "./calls.ts";
import { checkLedger, createProject, encrypt } from "./client-load.ts";
import { checkInvariants } from "./invariants.ts";
import type { Step } from "./operator.ts";
import { Operator } from "./operator.ts";
import { KEY, LEADS_TO, REQUESTS, refusalOf, rowsOf } from "./requests.ts";
import { startService } from "./service.ts";
import { STEPS as S, THIRD_UNIT } from "./steps.ts";
import type { Template } from "./templates.ts";
import { Templates } from "./templates.ts";

const templates = new Templates(5);
afterAll(() => templates[Symbol.dispose]());

type Moment = "before" | "after";
/** A store that failed has not written as a rule; but it may have, when the answer is what was lost. */
const MOMENTS: readonly Moment[] = ["before", "after"];
const FAULTS = ["store-failed", "unit-unreachable"];

/** Fails one call: the n-th after it was armed, instead of doing it or after it was done. */
class OneFault {
  #left = 0;
  #moment: Moment = "before";
  /** The call that failed. */
  hit: string | undefined;

  readonly between = interpose(async (call, run) => {
    if (this.#left === 0 || --this.#left > 0) return run();
    this.hit = call;
    if (this.#moment === "after") await run();
    throw new Failure(
      call.startsWith("store.") ? "store-failed" : "unit-unreachable",
      `${call} was made to fail`,
    );
  });

  arm(moment: Moment, nth: number): void {
    this.#moment = moment;
    this.#left = nth;
    this.hit = undefined;
  }

  disarm(): void {
    this.#left = 0;
  }
}

interface Cycle {
  readonly name: string;
  /** They lead back to a state in which they can be done again. */
  readonly steps: readonly Step[];
  /** Where the faults begin. */
  readonly begin?: number;
}

const TO_DONE = [S.create, S.generate, S.copy, S.commit, S.reencipher, S.activate, S.finalize];
const PURGED = [S.purge, S.approvePurge];
/** The longest first: they run beside each other. */
const CYCLES: readonly Cycle[] = [
  {
    name: "change, restore, purge",
    steps: [...TO_DONE, S.restore, S.reencipher, S.activate, S.finalize, ...PURGED],
    begin: TO_DONE.length,
  },
  { name: "change, purge", steps: [...TO_DONE, ...PURGED] },
  { name: "cancel when ready", steps: [...TO_DONE.slice(0, 5), S.cancel] },
  { name: "cancel when staged", steps: [...TO_DONE.slice(0, 4), S.cancel] },
  { name: "cancel when planned", steps: [S.create, S.cancel] },
  {
    name: "unit add, quarantine, readmit, remove",
    steps: [
      S.addUnit(THIRD_UNIT),
      S.quarantine,
      S.readmit,
      { ...S.remove, act: ({ client }) => client.units.remove(THIRD_UNIT) },
    ],
  },
  { name: "clear new", steps: [S.generate, S.copy, S.clearNew] },
];

describe.for(MOMENTS)("when the n-th call fails %s its effect", (moment) => {
  test("a request is done and says so, or is refused and nothing was done; repeated it is done", async () => {
    const run = await templates.copy("base");
    const fault = new OneFault();
    await using service = await startService(run.folder, fault.between);
    using operator = new Operator(service, { ...run, retries: 0 });
    for (const [name, { act, prepare, from, to = "enabled" }] of Object.entries(REQUESTS)) {
      let clean = false;
      for (let n = 1; !clean; n += 1) {
        if (from) await LEADS_TO[from].lead(operator);
        await prepare?.(operator);
        const before = rowsOf(run.folder);
        fault.arm(moment, n);
        const refused = await refusalOf(() => act(operator, n));
        fault.disarm();
        clean = fault.hit === undefined;
        const where = `${name}, ${fault.hit ?? "no fault"} ${moment}`;
        const happened = rowsOf(run.folder) !== before;
        if (clean) expect(refused?.code, where).toBeUndefined();
        if (refused) {
          expect(FAULTS, where).toContain(refused.code);
          expect(happened, where).toBe(false);
          const again = await refusalOf(() => act(operator, n));
          expect(again?.code, `${where}, repeated`).toBeUndefined();
        }
        expect(rowsOf(run.folder), where).not.toBe(before);
        const { state } = await operator.client.keys.get(KEY);
        expect(state, where).toBe(to);
        // What was disabled is refused, whatever the reply said: and what is enabled serves.
        const use = await refusalOf(() => encrypt(operator.client, run.ledger, "shop-1"));
        expect(use?.code, where).toBe(LEADS_TO[to].refusal);
      }
    }
    await operator.client.keys.enable(KEY);
    await checkLedger(operator.client, run.ledger);
    await checkInvariants(run.folder);
  });

  /** Runs the steps again and again on one daemon, with a fault at the next call each time, until none is left. */
  test.concurrent.for(CYCLES)(
    "a verb is repeated and leads to its end: $name",
    { timeout: 300_000 },
    async ({ name, steps, begin = 0 }, { expect }) => {
      const run = await templates.copy("base");
      const fault = new OneFault();
      await using service = await startService(run.folder, fault.between);
      using operator = new Operator(service, { ...run, retries: 0 });
      let rounds = 0;
      let clean = false;
      while (!clean) {
        rounds += 1;
        await throughFaults(operator, steps.slice(0, begin));
        fault.arm(moment, rounds);
        try {
          await throughFaults(operator, steps.slice(begin));
        } catch (error) {
          throw new Error(`#${rounds}, ${fault.hit} ${moment}: ${String(error)}`, { cause: error });
        }
        fault.disarm();
        clean = fault.hit === undefined;
        await createProject(operator.client, run.ledger, `${name.replaceAll(/\W+/g, "-")}-${rounds}`);
        await wholeAtRest(run, operator, `${name} #${rounds}, ${fault.hit} ${moment}`);
      }
      expect(rounds).toBeGreaterThan(1);
    },
  );
});

/** Each verb with at most two repetitions, as the manual promises. */
async function throughFaults(operator: Operator, steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    for (let attempt = 0; ; attempt += 1) {
      const refused = await refusalOf(() => step.act(operator));
      if (!refused || step.done?.includes(refused.code) === true) break;
      const where = `${step.verb}: ${refused.code}: ${refused.message}`;
      if (!FAULTS.includes(refused.code) || attempt === 2) throw new Error(where, { cause: refused });
    }
    if (step.until) await awake(operator, step.until(operator));
  }
}

/**
 * Has the service look again at once after a fault in the background, where it would by itself within a second: to readmit
 * a unit that serves changes nothing and wakes it.
 */
async function awake(operator: Operator, until: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  const waking = (async () => {
    while (!over.signal.aborted) {
      await sleep(100);
      await operator.client.units.readmit("01.0001");
    }
  })();
  try {
    await until;
  } finally {
    over.abort();
    await waking;
  }
}

async function wholeAtRest(run: Template, operator: Operator, where: string): Promise<void> {
  try {
    await checkLedger(operator.client, run.ledger);
    await checkInvariants(run.folder);
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
