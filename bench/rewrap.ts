import { parseArgs } from "node:util";
import { makeTemplate, reencipherCopy } from "./rewrap/candidate.ts";
import type { CandidateRound } from "./rewrap/candidate.ts";
import type { RewrapPlace } from "./rewrap/place.ts";
import { postgresPlace } from "./rewrap/place-postgres.ts";
import { sqlitePlace } from "./rewrap/place-sqlite.ts";
import { softwareUnitPlace } from "./rewrap/unit-place.ts";

/**
 * How fast KEKs are re-enciphered: through unit and store as the daemon does it, against the plain loop of floor.ts,
 * both in this run, in turn. `--keks N[,M…]` sizes, `--store sqlite|postgresql` (then the loop is on PostgreSQL too),
 * `--rounds R`, `--json`.
 */
const options = parseArgs({
  options: {
    keks: { type: "string", default: "100000" },
    store: { type: "string", default: "sqlite" },
    rounds: { type: "string", default: "5" },
    json: { type: "boolean", default: false },
  },
}).values;

interface SizeResult {
  readonly name: string;
  readonly keks: number;
  /** Median KEKs per second: re-enciphered, verified, durable. */
  readonly figure: number;
  /** Median rows per second of the plain loop. */
  readonly floor: number;
  /** Median of the ratios round by round. */
  readonly ratio: number;
  readonly unit: "KEKs/s";
  readonly peakRssMiB: number;
}

const PLACES: Readonly<Record<string, () => Promise<RewrapPlace>>> = {
  sqlite: sqlitePlace,
  postgresql: postgresPlace,
};

async function measure(keks: number, rounds: number): Promise<SizeResult> {
  const open = PLACES[options.store];
  if (!open) throw new Error(`--store is one of ${Object.keys(PLACES).join(", ")}, not ${options.store}`);
  await using place = await open();
  note(`filling a database with ${keks} KEKs …`);
  using unitPlace = softwareUnitPlace();
  const template = await makeTemplate(place, unitPlace, keks);
  const figures: CandidateRound[] = [];
  const floors: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const floor = (await place.floor(Math.min(keks, 200_000))).rowsPerSecond;
    const figure = await reencipherCopy(template);
    note(
      `round ${round}: ${figure.rowsPerSecond} KEKs/s, floor ${floor} rows/s, ×${ratio(figure.rowsPerSecond, floor)}`,
    );
    figures.push(figure);
    floors.push(floor);
  }
  return {
    name: place.name === "sqlite" ? `rewrap ${keks}` : `rewrap ${place.name} ${keks}`,
    keks,
    figure: median(figures.map(({ rowsPerSecond }) => rowsPerSecond)),
    floor: median(floors),
    ratio: median(figures.map(({ rowsPerSecond }, i) => ratio(rowsPerSecond, floors[i] ?? 0))),
    unit: "KEKs/s",
    peakRssMiB: Math.max(...figures.map(({ peakRssMiB }) => peakRssMiB)),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function ratio(figure: number, floor: number): number {
  return Math.round((figure / floor) * 100) / 100;
}

function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

const results: SizeResult[] = [];
for (const keks of options.keks.split(",")) results.push(await measure(Number(keks), Number(options.rounds)));
const [first, ...more] = results;
if (options.json) console.log(JSON.stringify(more.length > 0 ? { ...first, results } : first));
else {
  for (const result of results) {
    console.log(
      `${result.keks} KEKs: ${result.figure} KEKs/s, floor ${result.floor} rows/s, ratio ${result.ratio}, peak memory ${result.peakRssMiB} MiB`,
    );
  }
}
