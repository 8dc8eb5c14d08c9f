import type { QueryBuilder, Script } from "../script.ts";
import { first, run } from "../script.ts";

/** Counts, in the transaction that withdraws a right or a key, that it did. */
export function* countRevocation(db: QueryBuilder): Script<void> {
  yield* run(
    db
      .updateTable("counters")
      .set((column) => ({ value: column("value", "+", 1) }))
      .where("name", "=", "revocations"),
  );
}

export function* readRevocations(db: QueryBuilder): Script<number> {
  const row = yield* first(db.selectFrom("counters").select("value").where("name", "=", "revocations"));
  return row?.value ?? 0;
}
