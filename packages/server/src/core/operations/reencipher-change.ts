import { Failure } from "../errors.ts";
import { shownVp } from "../ids.ts";
import { advanceChange, onChange } from "../master-key-change/advance-change.ts";
import type { Change } from "../master-key-change/change.ts";
import { serving, sideOf } from "../master-key-change/facts.ts";
import { unitFacts } from "../master-key-change/gather-facts.ts";
import { obstaclesToStage } from "../master-key-change/obstacles.ts";
import type { ChangeInput, ChangePorts } from "./change-ports.ts";
import { refuseObstacles } from "./create-change.ts";

/**
 * Starts to re-encipher every KEK under the target. A change that is still PLANNED is staged first, if its units are
 * ready; one that is paused goes on.
 * @throws Failure `change-not-ready` naming every obstacle, `change-state`.
 */
export async function reencipherChange(ports: ChangePorts, input: ChangeInput): Promise<Change> {
  return await onChange(ports, input.change, (change) => reencipher(ports, input, change));
}

async function reencipher(ports: ChangePorts, input: ChangeInput, read: Change): Promise<Change> {
  let change = read;
  if (change.state === "REENCIPHERING") return resumeChange(ports, input);
  const units = unitFacts(await ports.units.refreshGroup(change.group), change.type);
  if (change.state === "PLANNED") change = await stage(ports, change, input.by, units);
  for (const unit of serving({ units })) {
    const side = sideOf(change, unit);
    if (side !== "before" && side !== "after") {
      throw new Failure("change-not-ready", `unit ${unit.address} does not hold the committed target in NEW`);
    }
  }
  const reenciphering = await advanceChange(
    ports,
    change,
    { name: "reencipher" },
    { by: input.by, note: "re-enciphering" },
  );
  ports.runner.wake();
  return reenciphering;
}

async function stage(
  ports: ChangePorts,
  change: Change,
  by: string,
  units: ReturnType<typeof unitFacts>,
): Promise<Change> {
  refuseObstacles(obstaclesToStage(change.from, change.expectedVp, { units }));
  const to = serving({ units })[0]?.reading?.NEW.vp;
  if (!to) throw new Failure("change-not-ready", "no serving unit holds a committed key in NEW");
  return advanceChange(ports, change, { name: "staged", to }, { by, note: `target pinned: ${shownVp(to)}` });
}

/** Ends re-enciphering at the end of the batch, until it is resumed. */
export async function pauseChange(ports: ChangePorts, input: ChangeInput): Promise<Change> {
  return setPaused(ports, input, true);
}

/** Goes on; rows that failed are tried again at once. */
export async function resumeChange(ports: ChangePorts, input: ChangeInput): Promise<Change> {
  const change = await setPaused(ports, input, false);
  ports.runner.retryFailed();
  return change;
}

async function setPaused(ports: ChangePorts, input: ChangeInput, paused: boolean): Promise<Change> {
  return await onChange(ports, input.change, (change) => amendPaused(ports, input, change, paused));
}

async function amendPaused(
  ports: ChangePorts,
  input: ChangeInput,
  change: Change,
  paused: boolean,
): Promise<Change> {
  const resumable = ["REENCIPHERING", "READY", "ACTIVATING", "ACTIVATED", "FINALIZING", "CANCELING"];
  if (paused ? change.state !== "REENCIPHERING" : !resumable.includes(change.state)) {
    throw new Failure(
      "change-state",
      `change ${change.id} is ${change.state}: there is nothing to ${paused ? "pause" : "resume"}`,
    );
  }
  if (change.paused !== paused) {
    const entry = {
      atMs: ports.clock.nowMs(),
      state: change.state,
      by: input.by,
      note: paused ? "paused" : "resumed",
    };
    const outcome = await ports.store.amendChange({
      id: change.id,
      state: change.state,
      amendment: { paused },
      entry,
    });
    if (outcome === "moved")
      throw new Failure("change-moved", `change ${change.id} has just been moved by someone else`);
  }
  if (paused) ports.runner.interrupt();
  return { ...change, paused };
}
