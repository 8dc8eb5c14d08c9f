import type { AnchorKeeper } from "../audit/anchor-keeper.ts";
import type { Clock } from "../clock.ts";
import { Failure } from "../errors.ts";
import type { ChangeRunner } from "../master-key-change/runner.ts";
import type { RollbackMark, RollbackStore } from "../ports/rollback-store.ts";

/**
 * Accepts that the database, or the audit log, is of an earlier moment: it may be written again, and changes go on. Who
 * accepted it, and when, is kept with the mark. The crypto units anchor it as it is first, in a new epoch: what is cut in
 * between is still marked, and accepted again.
 * @throws Failure `rollback-not-found`, and those of keeping anchors when no unit keeps them.
 */
export async function acceptRollback(
  ports: {
    readonly store: RollbackStore;
    readonly anchors: Pick<AnchorKeeper, "alone" | "renew">;
    readonly clock: Clock;
    readonly runner: Pick<ChangeRunner, "start">;
  },
  input: { readonly by: string },
): Promise<readonly RollbackMark[]> {
  const { store, anchors, clock } = ports;
  const accepted = await anchors.alone(async () => {
    if (!(await store.readRollback({}))) return [];
    const epoch = await anchors.renew();
    return await store.acceptRollback({ by: input.by, atMs: clock.nowMs(), epoch });
  });
  if (accepted.length === 0) throw new Failure("rollback-not-found");
  await ports.runner.start();
  return accepted;
}
