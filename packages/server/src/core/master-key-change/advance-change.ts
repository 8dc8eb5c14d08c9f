import type { Clock } from "../clock.ts";
import { Failure } from "../errors.ts";
import type { ChangeAmendment, ChangeStore } from "../ports/store.ts";
import type { Change } from "./change.ts";
import type { ChangeEvent } from "./transitions.ts";
import { advance } from "./transitions.ts";

export interface AdvancePorts {
  readonly store: Pick<ChangeStore, "readFence" | "readChange" | "transition">;
  readonly clock: Clock;
}

/**
 * Takes a change from the state in which it was read to the next, with its fence, in one transaction.
 * @throws Failure `change-state` when it has moved or the event does not fit, `change-not-ready` when rows are left
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
    throw new Failure("change-state", `change ${change.id} has just been moved by someone else`);
  if (outcome !== "done") {
    throw new Failure(
      "change-not-ready",
      `${outcome.left} KEKs stand in the way (${step.mustBeNone ?? "rows"})`,
    );
  }
  return await readChange(ports, change.id);
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
