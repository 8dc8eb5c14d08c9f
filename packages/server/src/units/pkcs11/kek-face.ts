import { WRAPPED_KEK_BYTES } from "../../core/crypto/wrapped-kek.ts";
import { Failure } from "../../core/errors.ts";
import type { FieldReader } from "../../core/fields.ts";
import type { GroupName, MasterKeyType, Vp } from "../../core/ids.ts";
import { shownVp } from "../../core/ids.ts";
import type {
  KekBatch,
  KekBinding,
  KekFace,
  KekHandle,
  KekRefusal,
  KekToOpen,
  OpenedRow,
  ReencipheredRow,
  WrappedKek,
} from "../../core/unit/crypto-unit.ts";
import { PACKED_ROW_BYTES, packRows, refusalOf } from "../../core/unit/packed-rows.ts";
import type { RegisterName } from "../../core/unit/registers.ts";
import type { Asking } from "./asking.ts";
import { BATCH, QUICK } from "./asking.ts";
import type { HandleOwner } from "./handles.ts";
import { TokenKek } from "./handles.ts";
import { OP } from "./requests.ts";

/** Rows of one request: small enough that a host answers others in between, large enough that the way costs nothing. */
const ROWS_AT_ONCE = 32;

export interface KekFaceScope {
  readonly group: GroupName;
  readonly type: MasterKeyType;
}

/** Project KEKs of a PKCS#11 unit. A batch is spread over all hosts. */
export class TokenKekFace implements KekFace {
  readonly #asking: Asking;
  readonly #owner: HandleOwner;
  readonly #scope: KekFaceScope;

  constructor(asking: Asking, owner: HandleOwner, scope: KekFaceScope) {
    this.#asking = asking;
    this.#owner = owner;
    this.#scope = scope;
  }

  async create(
    binding: KekBinding,
    vps: readonly Vp[],
  ): Promise<{ readonly kcv: Uint8Array; readonly wrapped: readonly WrappedKek[] }> {
    this.#assertMine(binding, vps[0]);
    // A KEK that was made and not answered for is under no row: to make another one is harmless.
    const reply = await this.#asking.ask(OP.createKek, QUICK, (asked) => {
      asked.text(binding.projectId);
      asked.text(binding.kekId);
      asked.text(JSON.stringify(vps));
    });
    const kcv = reply.bytes();
    return { kcv, wrapped: vps.map((vp) => ({ vp, blob: reply.bytes() })) };
  }

  async open(kek: KekToOpen): Promise<KekHandle> {
    this.#assertMine(kek, kek.wrapped.vp);
    const handle = new TokenKek(this.#owner, kek);
    await this.#asking.open(handle);
    return handle;
  }

  async reencipher(batch: KekBatch, from: Vp, to: Vp): Promise<readonly ReencipheredRow[]> {
    this.#assertMine(batch, from);
    return await this.#spread(
      batch,
      (rows) =>
        this.#asking.ask(OP.reencipher, BATCH, (asked) => {
          asked.text(from);
          asked.text(to);
          asked.bytes(rows);
        }),
      (refused, reply) => {
        const blob = reply.fixed(WRAPPED_KEK_BYTES);
        return refused ? { refused } : { blob };
      },
      (refused) => ({ refused }),
    );
  }

  async verify(batch: KekBatch, vp: Vp, among: readonly RegisterName[]): Promise<readonly OpenedRow[]> {
    this.#assertMine(batch, vp);
    return await this.#spread<OpenedRow>(
      batch,
      (rows) =>
        this.#asking.ask(OP.verify, BATCH, (asked) => {
          asked.text(vp);
          asked.text(JSON.stringify(among));
          asked.bytes(rows);
        }),
      (refused) => (refused ? { refused } : "opened"),
      (refused) => ({ refused }),
    );
  }

  /** Asks for the rows in parts, all at once, at least one; rows that cannot be packed are refused here. */
  async #spread<Row>(
    batch: KekBatch,
    ask: (rows: Uint8Array) => Promise<FieldReader>,
    read: (refused: KekRefusal | undefined, reply: FieldReader) => Row,
    refuse: (refused: KekRefusal) => Row,
  ): Promise<readonly Row[]> {
    const { bytes, malformed } = packRows(batch.rows);
    const parts = Math.max(1, Math.ceil(batch.rows.length / ROWS_AT_ONCE));
    const partBytes = ROWS_AT_ONCE * PACKED_ROW_BYTES;
    const answered = await Promise.all(
      Array.from({ length: parts }, async (_, part) => {
        const reply = await ask(bytes.subarray(part * partBytes, (part + 1) * partBytes));
        const rows = batch.rows.slice(part * ROWS_AT_ONCE, (part + 1) * ROWS_AT_ONCE);
        return rows.map(() => read(refusalOf(reply.byte()), reply));
      }),
    );
    return answered.flat().map((row, index) => {
      const refused = malformed.get(index);
      return refused ? refuse(refused) : row;
    });
  }

  #assertMine({ group, type }: KekFaceScope, vp: Vp | undefined): void {
    if (!this.#owner.isOpen) throw new Failure("unit-unreachable", "the unit is closed");
    if (type !== this.#scope.type)
      throw new Failure("unit-lacks-ability", `the unit has no ${type} master keys`);
    if (group !== this.#scope.group)
      throw new Failure(
        "register-pattern-mismatch",
        `the unit is of another group: ${vp ? shownVp(vp) : "nothing"} is not for it`,
      );
  }
}
