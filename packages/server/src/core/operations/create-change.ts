import { uuid } from "../crypto/random.ts";
import { Failure } from "../errors.ts";
import type { ChangeId, GroupName, MasterKeyType, Vp } from "../ids.ts";
import { shownVp } from "../ids.ts";
import type { Change } from "../master-key-change/change.ts";
import { unitFacts } from "../master-key-change/gather-facts.ts";
import type { Obstacle } from "../master-key-change/obstacles.ts";
import { obstaclesToOpen } from "../master-key-change/obstacles.ts";
import type { ChangePorts } from "./change-ports.ts";

export interface NewChange {
  readonly group: GroupName;
  readonly type: MasterKeyType;
  readonly expectedVp: string | undefined;
  readonly freeze: Change["freeze"];
  readonly rowsPerSecond: number | undefined;
  readonly restores: ChangeId | undefined;
  readonly by: string;
}

/**
 * Opens a master-key change: PLANNED, with the CURRENT of the group as what is left.
 * @throws Failure `change-open` naming the other change, its state and who opened it; `change-not-ready` when a
 * serving unit does not hold the group's master key.
 */
export async function createChange(ports: ChangePorts, input: NewChange): Promise<Change> {
  const fence = await ports.store.readFence(input);
  if (!fence) throw new Failure("no-serving-unit", `group ${input.group} has no ${input.type} master key`);
  const units = unitFacts(await ports.units.refreshGroup(input.group), input.type);
  refuseObstacles(obstaclesToOpen(fence.currentVp, { units }));
  const change = newChange(input, fence.currentVp, ports.clock.nowMs());
  const outcome = await ports.store.openChange({ change, note: `from ${shownVp(change.from)}` });
  if (outcome === "current-differs")
    throw new Failure("change-state", "the master key has just been changed");
  if (outcome !== "opened") {
    const { open } = outcome;
    throw new Failure("change-open", `change ${open.id} is ${open.state}, opened by ${open.openedBy}`);
  }
  ports.runner.wake();
  return change;
}

function newChange(input: NewChange, from: Vp, openedAtMs: number): Change {
  const { group, type, expectedVp, freeze, rowsPerSecond, restores, by } = input;
  return {
    id: uuid() as ChangeId,
    group,
    type,
    state: "PLANNED",
    from,
    to: undefined,
    expectedVp,
    restores,
    openedBy: by,
    openedAtMs,
    paused: false,
    freeze,
    rowsPerSecond,
    canary: undefined,
    blockedReason: undefined,
    approval: undefined,
  };
}

/** @throws Failure `change-not-ready` naming every obstacle. */
export function refuseObstacles(obstacles: readonly Obstacle[]): void {
  if (obstacles.length === 0) return;
  throw new Failure(
    "change-not-ready",
    obstacles.map(({ what, advice }) => `${what} (${advice})`).join("; "),
  );
}
