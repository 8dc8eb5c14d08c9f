import { Failure } from "../errors.ts";
import { readChange } from "../master-key-change/advance-change.ts";
import type { Change } from "../master-key-change/change.ts";
import type { ChangeInput, ChangePorts } from "./change-ports.ts";
import { activateInSpite } from "./activate-change.ts";
import { beginPurge } from "./purge-change.ts";
import { amendApproval } from "./request-approval.ts";

/** A request that nobody approves in this time has to be made again. */
const APPROVAL_MS = 24 * 60 * 60 * 1000;

/**
 * Approves what another principal asked for, and has it done.
 * @throws Failure `approval-missing`, `approval-own`, and those of what is approved.
 */
export async function approveChange(ports: ChangePorts, input: ChangeInput): Promise<Change> {
  const change = await readChange(ports, input.change);
  const request = change.approval;
  const nowMs = ports.clock.nowMs();
  if (!request || request.approvedBy || nowMs - request.requestedAtMs > APPROVAL_MS)
    throw new Failure("approval-missing");
  await ports.vouchedRows.checkApproval(change.id, request);
  if (request.requestedBy === input.by) throw new Failure("approval-own");
  const { action, inSpiteOf, requestedBy, requestedAtMs } = request;
  if (action === "override") return activateInSpite(ports, { ...input, approved: inSpiteOf ?? [] });
  const approval = await ports.vouchedRows.vouchForApproval(change.id, {
    action,
    inSpiteOf,
    requestedBy,
    requestedAtMs,
    approvedBy: input.by,
  });
  const entry = { atMs: nowMs, by: input.by, note: `${action} approved` };
  await beginPurge(ports, change);
  await amendApproval(ports, change, approval, entry);
  ports.runner.wake();
  return { ...change, approval };
}
