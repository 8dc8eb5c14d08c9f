import { createSecretKey } from "node:crypto";
import { KEK_BYTES, keyCheckValue } from "../../core/crypto/key-check-value.ts";
import { randomSecret } from "../../core/crypto/random.ts";
import { openWrappedKek, WRAPPED_KEK_BYTES, wrapKek } from "../../core/crypto/wrapped-kek.ts";
import { Failure } from "../../core/errors.ts";
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
import { findByVp } from "../../core/unit/registers.ts";
import type { RegisterName } from "../../core/unit/registers.ts";
import type { BatchClient } from "./batch-client.ts";
import type { HandleOwner } from "./handles.ts";
import { SoftwareKek } from "./handles.ts";
import type { MasterKeyInUse } from "./kek-batch.ts";
import { packRows, refusalOf } from "../../core/unit/packed-rows.ts";
import type { UnitFile } from "./unit-file.ts";

/** Project KEKs of a software unit: by the registers in memory, batches by way of the batch thread. */
export class SoftwareKeks implements KekFace {
  readonly #file: UnitFile;
  readonly #owner: HandleOwner;
  readonly #batches: BatchClient;

  constructor(file: UnitFile, owner: HandleOwner, batches: BatchClient) {
    this.#file = file;
    this.#owner = owner;
    this.#batches = batches;
  }

  async create(
    binding: KekBinding,
    vps: readonly Vp[],
  ): Promise<{ kcv: Uint8Array; wrapped: readonly WrappedKek[] }> {
    const masterKeys = vps.map((vp) => this.#masterKey(binding, vp, ["CURRENT", "OLD", "NEW"], "use"));
    const kek = randomSecret(KEK_BYTES);
    try {
      const kcv = keyCheckValue(kek);
      const wrapped = masterKeys.map(({ vp, pair }) => {
        const blob = wrapKek(pair, vp, binding, kcv, kek);
        const reopened = openWrappedKek(pair, { ...binding, kcv, wrapped: { vp, blob } });
        if (!(reopened instanceof Uint8Array))
          throw new Failure("internal", `a new KEK did not open: ${reopened.refused}`);
        reopened.fill(0);
        return { vp, blob };
      });
      return { kcv, wrapped };
    } finally {
      kek.fill(0);
    }
  }

  async open(kek: KekToOpen): Promise<KekHandle> {
    const { pair } = this.#masterKey(kek, kek.wrapped.vp, ["CURRENT", "OLD"], "look");
    const opened = openWrappedKek(pair, kek);
    if (!(opened instanceof Uint8Array))
      throw new Failure("kek-not-opened", `the wrapped KEK is refused: ${opened.refused}`);
    const key = createSecretKey(opened);
    opened.fill(0);
    return new SoftwareKek(this.#owner, key);
  }

  async reencipher(batch: KekBatch, from: Vp, to: Vp): Promise<readonly ReencipheredRow[]> {
    const fromKey = this.#masterKey(batch, from, ["CURRENT", "OLD"], "use");
    const toKey = this.#masterKey(batch, to, ["NEW", "CURRENT"], "use");
    const { refusals, blobs } = await this.#run(batch, fromKey, toKey);
    return refusals.map((refused, row) => {
      if (refused) return { refused };
      return { blob: blobs.subarray(row * WRAPPED_KEK_BYTES, (row + 1) * WRAPPED_KEK_BYTES) };
    });
  }

  async verify(batch: KekBatch, vp: Vp, among: readonly RegisterName[]): Promise<readonly OpenedRow[]> {
    const { refusals } = await this.#run(batch, this.#masterKey(batch, vp, among, "look"), undefined);
    return refusals.map((refused) => (refused ? { refused } : "opened"));
  }

  async #run(
    batch: KekBatch,
    from: MasterKeyInUse,
    to: MasterKeyInUse | undefined,
  ): Promise<{ refusals: (KekRefusal | undefined)[]; blobs: Uint8Array }> {
    const packed = packRows(batch.rows);
    const scope = { group: batch.group, type: batch.type };
    const outcome = await this.#batches.run({ rows: packed.bytes, scope, from, to });
    const refusals = batch.rows.map(
      (_, row) => packed.malformed.get(row) ?? refusalOf(outcome.refusals[row]),
    );
    return { refusals, blobs: outcome.blobs };
  }

  /** The master key whose pattern is `vp`. A NEW that no officer committed is looked at, but nothing is wrapped by it. */
  #masterKey(
    scope: { group: GroupName; type: MasterKeyType },
    vp: Vp,
    among: readonly RegisterName[],
    purpose: "use" | "look",
  ): MasterKeyInUse {
    this.#owner.assertOpen();
    const { group, registers } = this.#file.state;
    if (scope.type !== registers.type)
      throw new Failure("unit-lacks-ability", `the unit has no ${scope.type} master keys`);
    const pair = scope.group === group ? findByVp(registers, vp, among) : undefined;
    if (!pair)
      throw new Failure("register-pattern-mismatch", `none of ${among.join(", ")} holds ${shownVp(vp)}`);
    if (purpose === "use" && registers.NEW?.pair === pair && !registers.NEW.committed) {
      throw new Failure("register-state", "NEW is not committed");
    }
    return { vp, pair };
  }
}
