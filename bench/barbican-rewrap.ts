import { parseArgs } from "node:util";
import { barbicanPlace } from "./barbican/barbican-place.ts";
import type { RewrapOutput } from "./barbican/rewrap-input.ts";
import { rewrapOnce } from "./barbican/rewrap-once.ts";
import { upstreamRowsPerCpuSecond } from "./barbican/upstream-rewrap.ts";
import { barbicanFloor } from "./pkcs11/floor.ts";

/**
 * How many project KEKs of a Barbican are moved to a new MKEK and HMAC key by a second of processor time, its own process and
 * the unit hosts together: read from SQLite, through SoftHSM2, written durably, recounted. Against the loop in C that does
 * the same inside the same token (pkcs11/floor.c), both in this run, in turn.
 *
 *   npm run bench:barbican-rewrap -- --rows 100000,1000000 --rounds 3 --upstream --json
 *
 * With --upstream also upstream's own rewrap, of Debian's Barbican (barbican/upstream-rewrap.ts).
 */
const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "100000" },
    rounds: { type: "string", default: "3" },
    upstream: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

/** CKM_AES_KEY_WRAP_PAD */
const KEY_WRAP_PAD = 0x210a;
const FLOOR_ROWS = 40_000;
/** With more of them upstream becomes slower for each. */
const UPSTREAM_ROWS = 1_000;

interface Round {
  readonly output: RewrapOutput;
  readonly perCpuSecond: number;
  readonly floor: number;
}

interface Result {
  readonly name: string;
  readonly rows: number;
  /** Medians of the rounds: rows for a second of processor time, parent and hosts together. */
  readonly figure: number;
  /** Of the loop in C, with keys as private as Claviger's. */
  readonly floor: number;
  readonly ratio: number;
  readonly unit: "rows/CPU s";
  /** By the clock. */
  readonly rowsPerSecond: number;
  readonly parentShare: number;
  readonly peakParentMiB: number;
  /** The largest of the hosts. */
  readonly peakHostMiB: number;
}

async function measure(rows: number, rounds: number): Promise<Result> {
  note(`filling a Barbican with ${rows} project keys …`);
  using place = barbicanPlace(rows);
  const done: Round[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const options = { wrapMechanism: KEY_WRAP_PAD, rows: FLOOR_ROWS, privateKeys: false };
    const { perSecond: floor } = await barbicanFloor(place.token, options);
    const output = await rewrapOnce(place);
    const perCpuSecond = rows / cpuSecondsOf(output);
    done.push({ output, perCpuSecond, floor });
    note(
      `round ${round}: ${whole(perCpuSecond)} rows/CPU s (C ${whole(floor)}), ` +
        `${whole(rows / output.seconds)} rows/s by the clock`,
    );
  }
  const of = (value: (round: Round) => number) => median(done.map(value));
  const most = (value: (output: RewrapOutput) => number) =>
    Math.max(...done.map(({ output }) => value(output)));
  return {
    name: `barbican rewrap ${rows}`,
    rows,
    figure: whole(of(({ perCpuSecond }) => perCpuSecond)),
    floor: whole(of(({ floor }) => floor)),
    ratio: hundredths(of(({ perCpuSecond, floor }) => perCpuSecond / floor)),
    unit: "rows/CPU s",
    rowsPerSecond: whole(of(({ output }) => rows / output.seconds)),
    parentShare: hundredths(of(({ output }) => output.parent.cpuSeconds / cpuSecondsOf(output))),
    peakParentMiB: most(({ parent }) => parent.peakRssMiB),
    peakHostMiB: most(({ hosts }) => Math.max(...hosts.map(({ peakRssMiB }) => peakRssMiB))),
  };
}

function cpuSecondsOf({ parent, hosts }: RewrapOutput): number {
  return hosts.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, parent.cpuSeconds);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

const whole = Math.round;

function hundredths(number: number): number {
  return Math.round(number * 100) / 100;
}

function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

const results: Result[] = [];
for (const rows of values.rows.split(",")) results.push(await measure(Number(rows), Number(values.rounds)));
let upstream: number | undefined;
if (values.upstream) {
  note(`upstream's own rewrap of ${UPSTREAM_ROWS} project keys …`);
  upstream = whole(await upstreamRowsPerCpuSecond(UPSTREAM_ROWS));
}
if (values.json) {
  const more = { ...(results.length > 1 && { results }), ...(upstream !== undefined && { upstream }) };
  console.log(JSON.stringify({ ...results[0], ...more }));
} else {
  for (const { rows, figure, floor, ratio, rowsPerSecond, peakParentMiB, peakHostMiB } of results)
    console.log(
      `${rows} rows: ${figure} rows/CPU s, ${ratio} of the loop in C (${floor}); ${rowsPerSecond} rows/s by the clock; ` +
        `peak memory ${peakParentMiB} MiB, each host ${peakHostMiB} MiB`,
    );
  if (upstream !== undefined) console.log(`upstream's own: ${upstream} rows/CPU s`);
}
