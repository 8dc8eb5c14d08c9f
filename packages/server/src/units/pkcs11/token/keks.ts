import { KEK_MAC_ROW_BYTES, kekMacScope } from "../../../core/crypto/kek-mac.ts";
import { KCV_BYTES, KEY_CHECK_VALUE_LABEL } from "../../../core/crypto/key-check-value.ts";
import { timingSafeEqual } from "../../../core/crypto/timing-safe-equal.ts";
import { writeUuid } from "../../../core/crypto/uuid-bytes.ts";
import {
  KWP_AT,
  KWP_BYTES,
  MAC_AT,
  malformed,
  WRAPPED_KEK_BYTES,
  WRAPPED_KEK_FORMAT,
} from "../../../core/crypto/wrapped-kek.ts";
import { Failure } from "../../../core/errors.ts";
import type { Vp } from "../../../core/ids.ts";
import { shownVp } from "../../../core/ids.ts";
import type {
  KekBatchRow,
  KekRefusal,
  OpenedRow,
  ReencipheredRow,
  WrappedKek,
} from "../../../core/unit/crypto-unit.ts";
import type { RegisterName } from "../../../core/unit/registers.ts";
import { CKM } from "./cryptoki.ts";
import { KEK_IN_TRANSIT, KEK_IN_USE, NEW_KEK } from "./key-templates.ts";
import type { MasterKeys, MasterKeyScope, PairInUse } from "./master-keys.ts";
import type { ObjectHandle, Template } from "./module.ts";
import { TokenError } from "./module.ts";
import type { TokenSession } from "./token-session.ts";
import { TokenTrouble } from "../host/outcomes.ts";

const TAG_BYTES = 32;

/** A master key that a batch is opened or wrapped by, and what the MAC of each of its rows begins with. */
interface KeyAtWork {
  readonly pair: PairInUse;
  readonly macInput: Buffer;
}

/**
 * KEKs inside a token, in the format of core/crypto/wrapped-kek.ts, which says what is checked in which order. The MAC is
 * checked before anything is unwrapped: a row that passes it is the unit's own, and if the token does not open it then, it
 * is the token that is in trouble, and not the row.
 */
export class TokenKeks {
  readonly #token: TokenSession;
  readonly #masterKeys: MasterKeys;
  readonly #scope: MasterKeyScope;
  /** Number of the mechanism that was proved to be AES-KWP (RFC 5649). */
  readonly #kwp: number;

  constructor(token: TokenSession, masterKeys: MasterKeys, scope: MasterKeyScope, kwp: number) {
    this.#token = token;
    this.#masterKeys = masterKeys;
    this.#scope = scope;
    this.#kwp = kwp;
  }

  create(
    row: Pick<KekBatchRow, "projectId" | "kekId">,
    vps: readonly Vp[],
  ): { readonly kcv: Uint8Array; readonly wrapped: readonly WrappedKek[] } {
    const { module, session } = this.#token;
    const keys = vps.map((vp) => this.#key(vp, ["CURRENT", "OLD", "NEW"]));
    return this.#using(module.generateKey(session, CKM.AES_KEY_GEN, NEW_KEK), (kek) => {
      const kcv = this.#checkValue(kek);
      const wrapped = vps.map((vp, i) => {
        const key = keys[i];
        if (!key) throw new RangeError("a master key for each pattern");
        const blob = this.#wrap({ ...row, kcv }, kek, key);
        if (!this.#opensAs(kcv, blob, key))
          throw new TokenTrouble("a wrapped key came back as another one", "here");
        return { vp, blob };
      });
      return { kcv, wrapped };
    });
  }

  /** The KEK for use. @throws Failure `kek-not-opened`, `register-pattern-mismatch`. */
  open(row: KekBatchRow, vp: Vp): ObjectHandle {
    const opened = this.#open(row, this.#key(vp, ["CURRENT", "OLD"]), KEK_IN_USE);
    if ("refused" in opened) throw new Failure("kek-not-opened", `the KEK is refused: ${opened.refused}`);
    return opened;
  }

  reencipher(rows: readonly KekBatchRow[], from: Vp, to: Vp): readonly ReencipheredRow[] {
    const source = this.#key(from, ["CURRENT", "OLD"]);
    const target = this.#key(to, ["NEW", "CURRENT"]);
    return rows.map((row) => {
      const opened = this.#unwrapVouched(row, source, KEK_IN_TRANSIT);
      if ("refused" in opened) return opened;
      // The check value of the new blob's KEK proves both at once: only where it differs, it is looked which one it is.
      return this.#using(opened, (kek) => {
        const blob = this.#wrap(row, kek, target);
        if (this.#opensAs(row.kcv, blob, target)) return { blob };
        if (!this.#hasValue(kek, row.kcv)) return { refused: "check-value-mismatch" };
        throw new TokenTrouble("a wrapped key came back as another one", "here");
      });
    });
  }

  verify(rows: readonly KekBatchRow[], vp: Vp, among: readonly RegisterName[]): readonly OpenedRow[] {
    const key = this.#key(vp, among, "as it is");
    return rows.map((row) => {
      const opened = this.#open(row, key, KEK_IN_USE);
      if ("refused" in opened) return opened;
      this.#destroy(opened);
      return "opened";
    });
  }

  #wrap(
    row: Pick<KekBatchRow, "projectId" | "kekId" | "kcv">,
    kek: ObjectHandle,
    key: KeyAtWork,
  ): Uint8Array {
    const { module, session } = this.#token;
    const wrapped = module.wrap(session, this.#kwp, key.pair.wrapping, kek, KWP_BYTES + 16);
    if (wrapped.byteLength !== KWP_BYTES) throw new TokenTrouble("C_WrapKey gave another length", "here");
    const blob = new Uint8Array(WRAPPED_KEK_BYTES);
    blob[0] = WRAPPED_KEK_FORMAT;
    blob.set(wrapped, KWP_AT);
    blob.set(this.#mac(row, wrapped, key), MAC_AT);
    return blob;
  }

  #opensAs(kcv: Uint8Array, blob: Uint8Array, key: KeyAtWork): boolean {
    const again = this.#unwrap(blob.subarray(KWP_AT, MAC_AT), key, KEK_IN_TRANSIT);
    return this.#using(again, (each) => this.#hasValue(each, kcv));
  }

  #open(
    row: KekBatchRow,
    key: KeyAtWork,
    attributes: Template,
  ): ObjectHandle | { readonly refused: KekRefusal } {
    const kek = this.#unwrapVouched(row, key, attributes);
    if ("refused" in kek) return kek;
    let isSame = false;
    try {
      isSame = this.#hasValue(kek, row.kcv);
    } finally {
      if (!isSame) this.#destroy(kek);
    }
    return isSame ? kek : { refused: "check-value-mismatch" };
  }

  /** Unwraps what its MAC vouches for. Its check value is not looked at yet. */
  #unwrapVouched(
    row: KekBatchRow,
    key: KeyAtWork,
    attributes: Template,
  ): ObjectHandle | { readonly refused: KekRefusal } {
    const refused = malformed(row, row.kcv, row.blob);
    if (refused) return { refused };
    const wrapped = row.blob.subarray(KWP_AT, MAC_AT);
    if (!timingSafeEqual(this.#mac(row, wrapped, key), row.blob.subarray(MAC_AT)))
      return { refused: "mac-mismatch" };
    return this.#unwrap(wrapped, key, attributes);
  }

  #unwrap(wrapped: Uint8Array, { pair }: KeyAtWork, attributes: Template): ObjectHandle {
    const { module, session } = this.#token;
    try {
      return module.unwrap(session, this.#kwp, pair.wrapping, wrapped, attributes);
    } catch (error) {
      if (error instanceof TokenError && error.rule.failed === "blob")
        throw new TokenTrouble(`a blob of the unit's own: ${error.message}`, "here");
      throw error;
    }
  }

  #mac(
    { projectId, kekId, kcv }: Pick<KekBatchRow, "projectId" | "kekId" | "kcv">,
    wrapped: Uint8Array,
    { pair, macInput }: KeyAtWork,
  ): Uint8Array {
    const { module, session } = this.#token;
    const at = macInput.byteLength - KEK_MAC_ROW_BYTES;
    writeUuid(projectId, macInput, at);
    writeUuid(kekId, macInput, at + 16);
    macInput.set(kcv, at + 32);
    macInput.set(wrapped, at + 32 + KCV_BYTES);
    return module.sign(session, CKM.SHA256_HMAC, pair.mac, macInput, TAG_BYTES);
  }

  #hasValue(kek: ObjectHandle, kcv: Uint8Array): boolean {
    return timingSafeEqual(this.#checkValue(kek), kcv);
  }

  #checkValue(kek: ObjectHandle): Uint8Array {
    const { module, session } = this.#token;
    return module.digest(session, KEY_CHECK_VALUE_LABEL, [kek]).subarray(0, KCV_BYTES);
  }

  /** @throws Failure `register-pattern-mismatch`, `register-state`. */
  #key(
    vp: Vp,
    among: readonly RegisterName[],
    newKeys: "committed only" | "as it is" = "committed only",
  ): KeyAtWork {
    const found = this.#masterKeys.use(vp, among);
    if (!found)
      throw new Failure("register-pattern-mismatch", `no register that counts holds ${shownVp(vp)}`);
    if (newKeys === "committed only" && !found.isCommitted)
      throw new Failure("register-state", "NEW is not committed");
    const { group, type } = this.#scope;
    const scope = kekMacScope({ format: WRAPPED_KEK_FORMAT, group, type, vp });
    return { pair: found.pair, macInput: Buffer.concat([scope, Buffer.alloc(KEK_MAC_ROW_BYTES)]) };
  }

  #using<Result>(key: ObjectHandle, use: (key: ObjectHandle) => Result): Result {
    try {
      return use(key);
    } finally {
      this.#destroy(key);
    }
  }

  #destroy(key: ObjectHandle): void {
    const { module, session } = this.#token;
    module.destroyObject(session, key);
  }
}
