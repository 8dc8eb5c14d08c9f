import type { Clock } from "../clock.ts";
import { Failure, isFailure } from "../errors.ts";
import type { ChangeAmendment, ChangeStore } from "../ports/change-store.ts";
import type { Change } from "./change.ts";
import type { ChangeEvent } from "./transitions.ts";
import { advance } from "./transitions.ts";

export interface AdvancePorts {
  readonly store: Pick<ChangeStore, "readFence" | "readChange" | "transition">;
  readonly clock: Clock;
}

/**
 * Takes a change from the state in which it was read to the next, with its fence, in one transaction.
 * @throws Failure `change-moved`, `change-state` when the event does not fit, `change-not-ready` when rows are left
 * that must be none.
 */
export async function advanceChange(
  ports: AdvancePorts,
  change: Change,
  event: ChangeEvent,
  said: { readonly by: string; readonly note: string; readonly amendment?: ChangeAmendment },
): Promise<Change> {
  const fence = await ports.store.readFence(change);
  if (!fence) throw new Failure("internal", "a change has no fence");
  const step = advance(change, fence, event);
  const outcome = await ports.store.transition({
    change,
    generation: fence.generation,
    advance: step,
    amendment: { blockedReason: undefined, ...said.amendment },
    entry: { atMs: ports.clock.nowMs(), state: step.state, by: said.by, note: said.note },
  });
  if (outcome === "moved")
    throw new Failure("change-moved", `change ${change.id} has just been moved by someone else`);
  if (outcome !== "done") {
    throw new Failure(
      "change-not-ready",
      `${outcome.left} KEKs stand in the way (${step.mustBeNone ?? "rows"})`,
    );
  }
  return await readChange(ports, change.id);
}

/** How often the runner may be faster than a verb before the verb gives up. */
const ATTEMPTS = 3;

/**
 * Does `act` with the change as it is kept now, and again if it was moved meanwhile: the runner may have taken it to a
 * state in which the verb fits just as well.
 */
export async function onChange(
  ports: { readonly store: Pick<ChangeStore, "readChange"> },
  id: Change["id"],
  act: (change: Change) => Promise<Change>,
): Promise<Change> {
  for (let attempt = 1; ; attempt += 1) {
    const change = await readChange(ports, id);
    try {
      return await act(change);
    } catch (error) {
      if (attempt === ATTEMPTS || !isFailure(error, "change-moved")) throw error;
    }
  }
}

/** @throws Failure `change-not-found`. */
export async function readChange(
  ports: { readonly store: Pick<ChangeStore, "readChange"> },
  id: Change["id"],
): Promise<Change> {
  const change = await ports.store.readChange({ id });
  if (!change) throw new Failure("change-not-found", `there is no change ${id}`);
  return change;
}
