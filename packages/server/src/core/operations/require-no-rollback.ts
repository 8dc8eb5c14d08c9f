import { Failure } from "../errors.ts";
import type { RollbackStore } from "../ports/rollback-store.ts";

/**
 * For what changes a unit before, or without, a write of the database, which alone refuses while it is marked.
 * @throws Failure `store-rolled-back`.
 */
export async function requireNoRollback({
  store,
}: {
  readonly store: Pick<RollbackStore, "readRollback">;
}): Promise<void> {
  const mark = await store.readRollback({});
  if (mark)
    throw new Failure("store-rolled-back", `the database was ${mark.reason}, and nobody has accepted that`);
}
