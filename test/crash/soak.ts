import { parseArgs } from "node:util";
import { randomInt } from "node:crypto";
import { killAtRandom } from "./kill-at-random.ts";
import { POINTS } from "./points.ts";
import { runPoint } from "./run-point.ts";
import type { ScenarioName } from "./scenarios.ts";
import { SCENARIOS } from "./scenarios.ts";
import { Templates } from "./templates.ts";

/*
 * `npm run soak:crash -- --minutes N [--seed S]`: kills the daemon for so many minutes, by turns at a random moment of any
 * scenario and at a named call, at its first occurrence and at later ones. Prints what fails. With the seed that is
 * printed beside a random moment, `--seed S --minutes 0` runs that moment again, and nothing else.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string" },
    projects: { type: "string", default: "1000" },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? randomInt(2 ** 31));
const projects = Number(values.projects);
if (!(minutes >= 0) || !Number.isInteger(seed) || !(projects > 0)) {
  process.stderr.write("usage: npm run soak:crash -- [--minutes N] [--seed N] [--projects N]\n");
  process.exit(2);
}

using templates = new Templates(projects);
const untilMs = Date.now() + minutes * 60_000;
const anyScenario = Object.keys(SCENARIOS) as ScenarioName[];
let kills = 0;
let failures = 0;
process.stdout.write(`seed ${seed}, ${projects} projects, ${minutes} minutes\n`);

/** The matrix of calls and occurrences; a scenario that makes fewer calls than that ends the column. */
async function* matrix(): AsyncGenerator<() => Promise<unknown>> {
  const ended = new Set<string>();
  for (let nth = 1; nth <= 20; nth += 1) {
    for (const point of POINTS) {
      const column = `${point.scenario}: ${point.call}`;
      if (ended.has(column) || point.nth > 1) continue;
      const name = `${column} ${point.moment} #${nth}`;
      yield () =>
        attempt(name, async () => {
          if ((await runPoint(templates, { ...point, name, nth }, "may be missed")) === "missed")
            ended.add(column);
        });
    }
  }
}

async function attempt(name: string, run: () => Promise<unknown>): Promise<void> {
  kills += 1;
  try {
    await run();
  } catch (error) {
    failures += 1;
    process.stdout.write(`FAILED ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}

function atRandom(chosen: number): Promise<void> {
  return attempt(`--seed ${chosen}`, () => killAtRandom(templates, chosen, anyScenario));
}

const named = matrix();
async function lane(first: number): Promise<void> {
  for (let round = first; Date.now() < untilMs; round += 2) {
    const next = round % 4 < 2 ? await named.next() : undefined;
    if (next && next.done !== true) await next.value();
    else await atRandom(seed + round);
  }
}
if (minutes === 0) await atRandom(seed);
else await Promise.all([lane(0), lane(1)]);
process.stdout.write(`${kills} kills, ${failures} failures\n`);
process.exitCode = failures === 0 ? 0 : 1;
