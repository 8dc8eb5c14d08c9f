import type { GroupName, MasterKeyType, UnitAddress } from "../../core/ids.ts";
import type { SeenGeneration, UnitRecord, UnitState } from "../../core/ports/store.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, hold, run } from "../script.ts";

export function* addUnit(db: QueryBuilder, input: { unit: UnitRecord }) {
  const { unit } = input;
  const inserted = yield* run(
    db
      .insertInto("units")
      .values({
        address: unit.address,
        unit_group: unit.group,
        adapter: unit.adapter,
        state: unit.state,
        reason: unit.reason ?? null,
        state_by: unit.stateBy,
        public_key: unit.publicKey,
        added_at_ms: unit.addedAtMs,
      })
      .onConflict((conflict) => conflict.doNothing()),
  );
  return inserted === 0 ? ("address-taken" as const) : ("added" as const);
}

export function* listUnits(db: QueryBuilder): Script<readonly UnitRecord[]> {
  const rows = yield* all(db.selectFrom("units").selectAll().orderBy("address"));
  return rows.map((row) => ({
    address: row.address as UnitAddress,
    group: row.unit_group as GroupName,
    adapter: row.adapter,
    state: row.state,
    reason: row.reason ?? undefined,
    stateBy: row.state_by,
    publicKey: row.public_key,
    addedAtMs: row.added_at_ms,
  }));
}

/**
 * Whether the unit serves and no other one of its group does. Two operators may each take the other's reserve away, so
 * those who take a unit out are one at a time.
 */
function* isLastServing(db: QueryBuilder, address: UnitAddress): Script<boolean> {
  yield* hold("units that serve", "exclusive");
  const units = yield* all(
    db.selectFrom("units").select(["address", "unit_group"]).where("state", "=", "serving"),
  );
  const unit = units.find((one) => one.address === address);
  return unit !== undefined && !units.some((one) => one !== unit && one.unit_group === unit.unit_group);
}

export function* setUnitState(
  db: QueryBuilder,
  input: {
    address: UnitAddress;
    from: readonly UnitState[];
    state: UnitState;
    reason: string | undefined;
    by: string;
  },
) {
  if (input.state !== "serving" && (yield* isLastServing(db, input.address))) return "last-serving" as const;
  const updated = yield* run(
    db
      .updateTable("units")
      .set({ state: input.state, reason: input.reason ?? null, state_by: input.by })
      .where("address", "=", input.address)
      .where("state", "in", [...input.from]),
  );
  return updated === 0 ? ("state-differs" as const) : ("done" as const);
}

export function* removeUnit(
  db: QueryBuilder,
  input: { address: UnitAddress },
): Script<"removed" | "last-serving"> {
  if (yield* isLastServing(db, input.address)) return "last-serving";
  yield* run(db.deleteFrom("units").where("address", "=", input.address));
  yield* run(db.deleteFrom("sweeps").where("unit", "=", input.address));
  yield* run(db.deleteFrom("register_generations").where("unit", "=", input.address));
  return "removed";
}

export function* noteGeneration(db: QueryBuilder, { unit, type, generation }: SeenGeneration): Script<void> {
  yield* run(
    db
      .insertInto("register_generations")
      .values({ unit, type, generation })
      .onConflict((conflict) =>
        conflict
          .columns(["unit", "type"])
          .doUpdateSet({ generation })
          .where("register_generations.generation", "<", generation),
      ),
  );
}

export function* listGenerations(db: QueryBuilder): Script<readonly SeenGeneration[]> {
  const rows = yield* all(db.selectFrom("register_generations").selectAll().orderBy("unit").orderBy("type"));
  return rows.map(({ unit, type, generation }) => ({
    unit: unit as UnitAddress,
    type: type as MasterKeyType,
    generation,
  }));
}
