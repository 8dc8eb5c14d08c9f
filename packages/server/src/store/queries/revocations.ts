import type { Query, QueryBuilder, Script } from "../script.ts";
import { run } from "../script.ts";

/** Counts, in the transaction that withdraws a right or a key, that it did. */
export function* countRevocation(db: QueryBuilder): Script<void> {
  yield* run(
    db
      .updateTable("counters")
      .set((column) => ({ value: column("value", "+", 1) }))
      .where("name", "=", "revocations"),
  );
}

/** Read before every reply that bears a key: its SQL is not compiled anew each time. Both dialects read it. */
const READ: Query = {
  sql: `SELECT "value" FROM "counters" WHERE "name" = 'revocations'`,
  parameters: [],
  returnsRows: true,
};

export function* readRevocations(): Script<number> {
  const [row] = (yield READ) as readonly { readonly value: number }[];
  return row?.value ?? 0;
}
