import type { Clock } from "../clock.ts";
import { Failure } from "../errors.ts";
import type { ChangeRunner } from "../master-key-change/runner.ts";
import type { RollbackMark, RollbackStore } from "../ports/rollback-store.ts";

/**
 * Accepts that the database is of an earlier moment: it may be written again, and changes go on. Who accepted it, and when, is
 * kept with the mark.
 * @throws Failure `rollback-not-found`.
 */
export async function acceptRollback(
  ports: {
    readonly store: RollbackStore;
    readonly clock: Clock;
    readonly runner: Pick<ChangeRunner, "start">;
  },
  input: { readonly by: string },
): Promise<readonly RollbackMark[]> {
  const accepted = await ports.store.acceptRollback({ by: input.by, atMs: ports.clock.nowMs() });
  if (accepted.length === 0) throw new Failure("rollback-not-found");
  await ports.runner.start();
  return accepted;
}
