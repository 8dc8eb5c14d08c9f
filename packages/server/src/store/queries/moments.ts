import type { StoreMoment } from "../../core/unit/anchors.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, run } from "../script.ts";

/**
 * How far the store has come, in rows of `counters`, which are made by the first who counts: a store of an earlier release
 * has none of them.
 */
export function* readMoment(db: QueryBuilder): Script<StoreMoment> {
  const counters = yield* all(db.selectFrom("counters").selectAll());
  const fences = yield* all(db.selectFrom("fences").select(["unit_group", "key_type", "generation"]));
  const valueOf = (name: string): number => counters.find((row) => row.name === name)?.value ?? 0;
  return {
    epoch: valueOf("epoch"),
    mutations: valueOf("mutations"),
    generations: Object.fromEntries(
      fences.map((row) => [`${row.unit_group} ${row.key_type}`, row.generation]),
    ),
  };
}

/** Counts, in the transaction of a mutation that leaves a record, that it does. */
export function* countMutation(db: QueryBuilder): Script<void> {
  yield* run(
    db
      .insertInto("counters")
      .values({ name: "mutations", value: 1 })
      .onConflict((conflict) =>
        conflict.column("name").doUpdateSet((column) => ({ value: column("counters.value", "+", 1) })),
      ),
  );
}

export function* beginEpoch(db: QueryBuilder, epoch: number): Script<void> {
  yield* run(
    db
      .insertInto("counters")
      .values({ name: "epoch", value: epoch })
      .onConflict((conflict) => conflict.column("name").doUpdateSet({ value: epoch })),
  );
}
