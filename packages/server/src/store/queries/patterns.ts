import { Failure } from "../../core/errors.ts";
import type { Vp } from "../../core/ids.ts";
import type { FenceRef } from "../../core/ports/change-store.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, first, run } from "../script.ts";

/** The master keys of one fence by id and by pattern. There are few: one for each change that ever was. */
export class Patterns {
  readonly #byId = new Map<number, Vp>();
  readonly #byVp = new Map<Vp, number>();

  constructor(rows: readonly { id: number; vp: string }[]) {
    for (const row of rows) {
      this.#byId.set(row.id, row.vp as Vp);
      this.#byVp.set(row.vp as Vp, row.id);
    }
  }

  vp(id: number): Vp {
    const vp = this.#byId.get(id);
    if (!vp) throw new Failure("store-damaged", "a row names a master key that is not in master_keys");
    return vp;
  }

  /** The id, or one that no row has where the pattern was never seen. */
  id(vp: Vp | undefined): number {
    return (vp === undefined ? undefined : this.#byVp.get(vp)) ?? 0;
  }
}

export function* readPatterns(db: QueryBuilder, fenceId: number): Script<Patterns> {
  return new Patterns(
    yield* all(db.selectFrom("master_keys").select(["id", "vp"]).where("fence_id", "=", fenceId)),
  );
}

/** The id of a pattern, which is noted for ever when it is seen for the first time. */
export function* notePattern(db: QueryBuilder, fenceId: number, vp: Vp, atMs: number): Script<number> {
  yield* run(
    db
      .insertInto("master_keys")
      .values({ fence_id: fenceId, vp, first_seen_ms: atMs })
      .onConflict((conflict) => conflict.columns(["fence_id", "vp"]).doNothing()),
  );
  const row = yield* first(
    db.selectFrom("master_keys").select("id").where("fence_id", "=", fenceId).where("vp", "=", vp),
  );
  if (!row) throw new Failure("store-damaged", "a master key could not be noted");
  return row.id;
}

export function* listPatterns(db: QueryBuilder, input: FenceRef) {
  const rows = yield* all(
    db
      .selectFrom("master_keys")
      .innerJoin("fences", "fences.id", "master_keys.fence_id")
      .select(["master_keys.vp as vp", "master_keys.first_seen_ms as first_seen_ms"])
      .where("fences.unit_group", "=", input.group)
      .where("fences.key_type", "=", input.type)
      .orderBy("master_keys.id"),
  );
  return rows.map((row) => ({ vp: row.vp as Vp, firstSeenMs: row.first_seen_ms }));
}
