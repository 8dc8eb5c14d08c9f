import { randomUUID } from "node:crypto";
import type { AuditDraft, OutboxRow } from "../../core/audit/audit-draft.ts";
import { EFFECTS } from "../../core/audit/recorded-store.ts";
import type { AuditKeyRecord } from "../../core/ports/audit-log.ts";
import type { Audited } from "../../core/ports/store-call.ts";
import type { QueryBuilder, Script } from "../script.ts";
import { all, hold, run } from "../script.ts";
import { countMutation } from "./moments.ts";

/** A mutation that writes its record in the same transaction, if it took effect. */
export function recorded<Input, Outcome>(
  mutate: (db: QueryBuilder, input: Input) => Script<Outcome>,
): (db: QueryBuilder, input: Input & Audited) => Script<Outcome> {
  return function* (db, input) {
    const outcome = yield* mutate(db, input);
    if (input.audit !== undefined && EFFECTS.has(outcome)) yield* leaveRecord(db, input.audit);
    return outcome;
  };
}

/** Numbers follow the order of the transactions: the one that takes the next waits until the one before has ended. */
function* leaveRecord(db: QueryBuilder, draft: AuditDraft): Script<void> {
  yield* hold("audit outbox", "exclusive");
  yield* run(db.insertInto("audit_outbox").values({ mark: randomUUID(), draft: JSON.stringify(draft) }));
  yield* countMutation(db);
}

export function* listOutbox(
  db: QueryBuilder,
  input: { after: number; limit: number },
): Script<readonly OutboxRow[]> {
  const rows = yield* all(
    db.selectFrom("audit_outbox").selectAll().where("id", ">", input.after).orderBy("id").limit(input.limit),
  );
  return rows.map(({ id, mark, draft }) => ({ id, mark, draft: JSON.parse(draft) as AuditDraft }));
}

export function* dropOutbox(db: QueryBuilder, input: { ids: readonly number[] }): Script<void> {
  yield* run(db.deleteFrom("audit_outbox").where("id", "in", [...input.ids]));
}

export function* listAuditKeys(db: QueryBuilder): Script<readonly AuditKeyRecord[]> {
  const rows = yield* all(db.selectFrom("audit_keys").selectAll().orderBy("n"));
  return rows.map((row) => ({
    fingerprint: row.fingerprint,
    publicKey: row.public_key,
    sealed: row.sealed,
    createdAtMs: row.created_at_ms,
  }));
}

export function* addAuditKey(db: QueryBuilder, input: { key: AuditKeyRecord }) {
  const { key } = input;
  const inserted = yield* run(
    db
      .insertInto("audit_keys")
      .values({
        fingerprint: key.fingerprint,
        public_key: key.publicKey,
        sealed: key.sealed,
        created_at_ms: key.createdAtMs,
      })
      .onConflict((conflict) => conflict.doNothing()),
  );
  return inserted === 0 ? ("exists" as const) : ("added" as const);
}
