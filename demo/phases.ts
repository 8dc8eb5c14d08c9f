import type { CensusView, ClavigerClient } from "@claviger/sdk";
import { setTimeout as sleep } from "node:timers/promises";
import { CHANGE_PARTS, changeMasterKey } from "./change-run.ts";
import type { ChangePart, ChangeRun } from "./change-run.ts";
import type { LoadCrew } from "./load/load-crew.ts";
import { sumTallies } from "./load/tally.ts";
import type { Tally } from "./load/tally.ts";
import type { Progress } from "./progress.ts";
import { count } from "./progress.ts";

/** What the server could take, and the share of it that the traffic is. */
export const LOAD_SHARE = 0.7;
const WARM_UP_SECONDS = 1.5;
/** Of a second each; the slowest counts, because a machine that others use as well has moods. */
const CALIBRATION_WINDOWS = 3;
const SETTLE_SECONDS = 1;
const CLOSED_LOOP_LANES = 32;

export interface Measured {
  /** Requests a second in a closed loop. */
  readonly capacity: number;
  readonly perSecond: number;
  /** Calibration, and the time until the open loop is in its stride. */
  readonly warmUp: Tally;
  readonly before: Tally;
  readonly during: Tally;
  readonly parts: Readonly<Record<ChangePart, Tally>>;
  readonly after: Tally;
  readonly change: ChangeRun;
  readonly censusBefore: CensusView;
  readonly censusAfter: CensusView;
}

/**
 * Finds what the server can take, sends a share of that from then on, and changes the master key meanwhile. `seconds`
 * is the length of the traffic before and after the change.
 */
export async function runPhases(
  { admin, crew, progress }: { admin: ClavigerClient; crew: LoadCrew; progress: Progress },
  seconds: number,
  signal: AbortSignal,
): Promise<Measured> {
  const shorter = Math.min(1, seconds / 3);
  const warmedUp = await crew.closedLoop(WARM_UP_SECONDS * shorter, CLOSED_LOOP_LANES);
  signal.throwIfAborted();
  const calibrated: Tally[] = [];
  for (let window = 0; window < CALIBRATION_WINDOWS; window += 1) {
    calibrated.push(await crew.closedLoop(shorter, CLOSED_LOOP_LANES));
    signal.throwIfAborted();
  }
  const capacity = Math.min(...calibrated.map(({ served }) => served)) / shorter;
  const perSecond = capacity * LOAD_SHARE;
  progress.say(
    `traffic     the server takes ${count(capacity)} requests a second; from now on ${count(perSecond)} arrive, ${LOAD_SHARE * 100} % of that`,
  );

  await crew.enterPhase("settle", true);
  await crew.startOpenLoop(perSecond);
  await sleep(SETTLE_SECONDS * shorter * 1000, undefined, { signal });
  await crew.enterPhase("before", true);
  progress.say(`before      ${seconds} s of it`);
  await sleep(seconds * 1000, undefined, { signal });
  const censusBefore = await admin.census();

  const change = await changeMasterKey(admin, progress, (part) => crew.enterPhase(part, false), signal);

  await crew.enterPhase("after", false);
  const censusAfter = await admin.census();
  progress.say(`after       ${seconds} s of it`);
  await sleep(seconds * 1000, undefined, { signal });
  const tallyOf = await crew.stopOpenLoop();

  const parts = Object.fromEntries(CHANGE_PARTS.map((part) => [part, tallyOf(part)])) as Record<
    ChangePart,
    Tally
  >;
  return {
    capacity,
    perSecond,
    warmUp: sumTallies([warmedUp, ...calibrated, tallyOf("settle")]),
    before: tallyOf("before"),
    during: sumTallies(Object.values(parts)),
    parts,
    after: tallyOf("after"),
    change,
    censusBefore,
    censusAfter,
  };
}
