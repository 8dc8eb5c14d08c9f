import { isVerified } from "@claviger/sdk";
import type { ChangeStateName, ChangeView, ClavigerClient } from "@claviger/sdk";
import type { Progress } from "./progress.ts";
import { count } from "./progress.ts";

/** The parts of the change by which traffic is counted, in their order. */
export const CHANGE_PARTS = ["stage", "reencipher", "activate", "finalize"] as const;
export type ChangePart = (typeof CHANGE_PARTS)[number];

export interface ChangeRun {
  readonly from: string;
  readonly to: string;
  /** KEKs that had no form under the target when re-enciphering began. */
  readonly keksReenciphered: number;
  readonly reencipherSeconds: number;
  /** Times that a KEK was opened under the target on a unit that has activated. */
  readonly keksVerified: number;
  readonly verifySeconds: number;
  readonly seconds: number;
}

const POLL_MS = 200;

/**
 * The main job, as an operator would do it: a new master key is generated on one unit, copied to the others and
 * committed; every KEK is re-enciphered; the units activate, one by one, and every KEK is opened on each of them; the
 * change is finalized. `enter` is called at the beginning of each part.
 */
export async function changeMasterKey(
  admin: ClavigerClient,
  progress: Progress,
  enter: (part: ChangePart) => Promise<void>,
  signal: AbortSignal,
): Promise<ChangeRun> {
  const startedMs = performance.now();
  await enter("stage");
  const staged = await stage(admin, signal);
  const to = staged.to ?? "";
  progress.say(
    `stage       NEW ${shown(to)} generated, copied and committed; CURRENT is ${shown(staged.from)}`,
  );
  const wait = { signal, pollMs: POLL_MS };

  await enter("reencipher");
  const { lacking, keks } = (await admin.changes.get(staged.id)).progress;
  await admin.changes.reencipher(staged.id);
  const enciphering = progress.step("re-encipher");
  const ready = await admin.waitForChange(staged.id, "READY", {
    ...wait,
    onProgress: (change) =>
      enciphering.update(change.progress.keks - change.progress.lacking, change.progress.keks),
  });
  const reencipherSeconds = secondsBetween(ready, "REENCIPHERING", "READY");
  enciphering.finish(lacking, lacking, `${count(lacking / reencipherSeconds)} a second`);

  await enter("activate");
  const activatedMs = performance.now();
  await admin.changes.activate(staged.id, { vp: to });
  const activating = progress.step("activate   ");
  const units = (await admin.units.list()).length;
  const verified = await admin.waitForChange(staged.id, isVerified, {
    ...wait,
    onProgress: (change) => activating.update(opened(change), change.progress.keks * units),
  });
  const verifySeconds = (performance.now() - activatedMs) / 1000;
  const keksVerified = opened(verified);
  activating.finish(
    keksVerified,
    keksVerified,
    `opened on ${units} units, ${count(keksVerified / verifySeconds)} a second`,
  );

  await enter("finalize");
  await admin.changes.finalize(staged.id);
  const done = await admin.waitForChange(staged.id, "DONE", wait);
  progress.say(`finalize    ${done.state} after ${secondsBetween(done, "FINALIZING", "DONE").toFixed(1)} s`);
  return {
    from: staged.from,
    to,
    keksReenciphered: Math.min(lacking, keks),
    reencipherSeconds,
    keksVerified,
    verifySeconds,
    seconds: (performance.now() - startedMs) / 1000,
  };
}

async function stage(admin: ClavigerClient, signal: AbortSignal): Promise<ChangeView> {
  const { id } = await admin.changes.create();
  const [first] = await admin.masterKeys.generate();
  const vp = first?.registers.NEW.vp;
  if (first === undefined || vp === undefined || vp === null)
    throw new Error("no unit has generated a master key");
  if ((await admin.units.list()).length > 1) await admin.masterKeys.copy({ from: first.address });
  await admin.masterKeys.commit({ vp });
  const staged = await admin.waitForChange(id, "STAGED", { signal, pollMs: POLL_MS });
  const plan = await admin.changes.plan();
  const [obstacle] = plan.obstacles;
  if (obstacle) throw new Error(`the plan names an obstacle: ${obstacle.what}`);
  return staged;
}

function opened({ progress }: ChangeView): number {
  return progress.verified.reduce((sum, unit) => sum + unit.opened, 0);
}

/** From the times at which the change entered the two states, by the clock of the server. */
function secondsBetween(change: ChangeView, from: ChangeStateName, to: ChangeStateName): number {
  const enteredMs = (state: ChangeStateName) =>
    Date.parse(change.history.find((entry) => entry.state === state)?.at ?? "");
  return Math.max(enteredMs(to) - enteredMs(from), 1) / 1000;
}

/** A pattern as people compare it: its first 16 bytes, of which the first four tell the two apart here. */
export function shown(vp: string): string {
  return `${vp.slice(0, 8)}…`;
}
