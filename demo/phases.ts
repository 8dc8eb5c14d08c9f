import type { CensusView, ClavigerClient } from "@claviger/sdk";
import { setTimeout as sleep } from "node:timers/promises";
import { CHANGE_PARTS, changeMasterKey } from "./change-run.ts";
import type { ChangePart, ChangeRun } from "./change-run.ts";
import { activeSeconds } from "./event-loop.ts";
import type { LoadCrew } from "./load/load-crew.ts";
import { sumTallies } from "./load/tally.ts";
import type { Tally } from "./load/tally.ts";
import type { Progress } from "./progress.ts";
import { count } from "./progress.ts";

/** What the server could take, and the share of it that the traffic is. */
export const LOAD_SHARE = 0.7;
const WARM_UP_SECONDS = 2;
const CLOSED_LOOP_LANES = 32;
/** Of what was served in the closed loop: enough to see what a request costs, and far from too much. */
const CALIBRATION_SHARE = 0.5;
const CALIBRATION_SECONDS = 2;
const SETTLE_SECONDS = 1;

export interface Measured {
  /** Requests a second that would keep the server busy all the time. */
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

export interface Stage {
  readonly admin: ClavigerClient;
  /** Of the server. */
  readonly address: string;
  readonly crew: LoadCrew;
  readonly progress: Progress;
}

/**
 * Finds what the server can take, sends a share of that from then on, and changes the master key meanwhile. `seconds`
 * is the length of the traffic before and after the change.
 */
export async function runPhases(stage: Stage, seconds: number, signal: AbortSignal): Promise<Measured> {
  const { admin, crew, progress } = stage;
  const shorter = Math.min(1, seconds / 3);
  const { warmUp, capacity } = await calibrate(stage, shorter, signal);
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
    warmUp: sumTallies([warmUp, tallyOf("settle")]),
    before: tallyOf("before"),
    during: sumTallies(Object.values(parts)),
    parts,
    after: tallyOf("after"),
    change,
    censusBefore,
    censusAfter,
  };
}

/**
 * What the server can take, by the utilization law: if so many requests, arriving as they do later, keep its event loop
 * busy for such a share of the time, then it takes so many more. A closed loop would say more than that: there requests
 * come in bunches, which are cheaper, and nobody sees how long those that wait would have waited. It says less where
 * the event loop waits for something slower, as for a token, and is believed then.
 */
async function calibrate(
  { crew, address }: Stage,
  shorter: number,
  signal: AbortSignal,
): Promise<{ readonly warmUp: Tally; readonly capacity: number }> {
  const warmUpSeconds = WARM_UP_SECONDS * shorter;
  const closed = await crew.closedLoop(warmUpSeconds, CLOSED_LOOP_LANES);
  signal.throwIfAborted();
  await crew.enterPhase("calibration", true);
  const activeBefore = await activeSeconds(address);
  await crew.startOpenLoop((closed.served / warmUpSeconds) * CALIBRATION_SHARE);
  await sleep(CALIBRATION_SECONDS * shorter * 1000, undefined, { signal });
  const tallyOf = await crew.stopOpenLoop();
  const active = (await activeSeconds(address)) - activeBefore;
  const calibrated = tallyOf("calibration");
  const capacity = Math.min(calibrated.served / active, closed.served / warmUpSeconds);
  return { warmUp: sumTallies([closed, calibrated]), capacity };
}
