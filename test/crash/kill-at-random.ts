import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { driveUntilGone, recover, startVictim } from "./run-point.ts";
import type { Scenario, ScenarioName } from "./scenarios.ts";
import { SCENARIOS } from "./scenarios.ts";
import type { Templates } from "./templates.ts";

const IN_TRANSACTION = new URL("./kill-in-transaction.ts", import.meta.url).href;

/** Scenarios in which batches are written. */
const WITH_BATCHES: readonly ScenarioName[] = [
  "whole change",
  "re-encipher",
  "restore",
  "purge",
  "cancel when ready",
];

/**
 * Runs a scenario and kills the daemon at a moment that the seed chooses: within a transaction of the writing thread,
 * at one of its commits, or at any time at all. Then everything must be as after a kill at a named point. A daemon that
 * has come to the end of the scenario before its moment is killed at the end.
 */
export async function killAtRandom(templates: Templates, seed: number, among = WITH_BATCHES): Promise<void> {
  const random = randomOf(seed);
  const name = among[Math.floor(random() * among.length)] ?? "whole change";
  const scenario: Scenario = SCENARIOS[name];
  const kind = (["statement", "commit", "committed", "time"] as const)[Math.floor(random() * 4)] ?? "time";
  // Small numbers more often: there is more behind a start than behind the five hundredth row.
  const nth = 1 + Math.floor(random() ** 2 * (kind === "statement" ? 400 : 50));
  const where = `seed ${seed}: ${name}, ${kind}:${nth}`;
  const run = await templates.copy(scenario.from);
  await scenario.before?.(run.folder);
  const moment = kind === "time" ? undefined : `${IN_TRANSACTION}?${kind}:${nth}`;
  const victim = await startVictim(templates, [run.folder, "none"], moment);
  try {
    if (kind === "time") {
      void victim.url.then(async (url) => {
        if (url !== undefined) await sleep(nth * 15);
        victim.kill();
      });
    }
    const step = await driveUntilGone(victim, scenario, run, 100);
    const { signal, said } = await victim.gone;
    if (signal !== "SIGKILL") throw new Error(`the daemon ended by itself: ${said}`);
    scenario.mend?.(run.folder);
    await recover(scenario, run, step === "never" ? scenario.steps.length : step);
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  await rm(run.folder, { recursive: true });
}

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
