import { Failure } from "../errors.ts";
import type { Approval, Change } from "../master-key-change/change.ts";
import type { ChangePorts } from "./change-ports.ts";

/** Notes that `by` asks for something that a second principal must approve. Asking again renews the request. */
export async function requestApproval(
  ports: ChangePorts,
  change: Change,
  request: Pick<Approval, "action" | "inSpiteOf"> & { readonly by: string; readonly note: string },
): Promise<Change> {
  if (change.approval?.approvedBy) {
    throw new Failure("change-state", `${change.approval.action} of change ${change.id} is approved already`);
  }
  const requestedAtMs = ports.clock.nowMs();
  const approval = await ports.vouchedRows.vouchForApproval(change.id, {
    action: request.action,
    inSpiteOf: request.inSpiteOf,
    requestedBy: request.by,
    requestedAtMs,
    approvedBy: undefined,
  });
  await amendApproval(ports, change, approval, { atMs: requestedAtMs, by: request.by, note: request.note });
  return { ...change, approval };
}

/** Sets the approval of a change that is still in the state in which it was read. */
export async function amendApproval(
  ports: ChangePorts,
  change: Change,
  approval: Approval,
  entry: { readonly atMs: number; readonly by: string; readonly note: string },
): Promise<void> {
  const outcome = await ports.store.amendChange({
    id: change.id,
    state: change.state,
    amendment: { approval },
    entry: { ...entry, state: change.state },
  });
  if (outcome === "moved")
    throw new Failure("change-moved", `change ${change.id} has just been moved by someone else`);
}
