import { Failure } from "../../core/errors.ts";
import type { SecretBytes } from "../../core/secret/secret-bytes.ts";
import type { FileIdentity } from "./durable-file.ts";
import { isUntouched, readWhole, removeLeftovers, writeDurably } from "./durable-file.ts";
import type { KdfParameters } from "./pin-key.ts";
import type { Seal } from "./sealed-file.ts";
import { MAX_FILE_BYTES, newSeal, openState, sealOf, sealState } from "./sealed-file.ts";
import { clonePublicKey, decodeState, encodeState } from "./unit-state.ts";
import type { UnitState } from "./unit-state.ts";

/**
 * The state of a unit and the sealed file that it lives in. The state in memory is the one that was last written or
 * read; a new one is durable before it is served. Callers run `refresh` and `replace` one after the other.
 */
export class UnitFile {
  readonly #path: string;
  #held: { readonly seal: Seal; readonly state: UnitState } | undefined;
  #identity: FileIdentity;

  private constructor(path: string, seal: Seal, state: UnitState, identity: FileIdentity) {
    this.#path = path;
    this.#held = { seal, state };
    this.#identity = identity;
  }

  /** @throws Failure `unit-exists`, `store-full`, `store-read-only`, `invalid-request`. */
  static async create(
    path: string,
    pin: SecretBytes,
    kdf: KdfParameters,
    state: UnitState,
  ): Promise<UnitFile> {
    const seal = await newSeal(pin, kdf);
    const identity = await writeDurably(path, sealed(seal, state), { replace: false });
    return new UnitFile(path, seal, state, identity);
  }

  /** @throws Failure `unit-missing`, `unit-unreachable`, `unit-pin-wrong`, `unit-file-tampered`. */
  static async open(path: string, pin: SecretBytes): Promise<UnitFile> {
    const { bytes, identity } = await readWhole(path, MAX_FILE_BYTES, "unit-missing");
    const seal = await sealOf(bytes, pin);
    const state = unsealed(seal, bytes);
    await removeLeftovers(path);
    return new UnitFile(path, seal, state, identity);
  }

  /** @throws Failure `unit-unreachable` after `forget`. */
  get state(): UnitState {
    return this.#open().state;
  }

  /** Lets go of every key; the file stays. */
  forget(): void {
    this.#held = undefined;
  }

  /**
   * Looks whether the file is still the one that was last written or read. One that somebody put in its place is
   * adopted when it is a file of this unit under the same seal: an older copy then shows its older registers.
   * @throws Failure `unit-unreachable` when it is gone or unreadable, `unit-file-tampered`.
   */
  async refresh(): Promise<UnitState> {
    const { seal, state } = this.#open();
    if (await isUntouched(this.#path, this.#identity)) return state;
    const { bytes, identity } = await readWhole(this.#path, MAX_FILE_BYTES, "unit-unreachable");
    if (identity.digest !== this.#identity.digest) {
      const found = unsealed(seal, bytes);
      if (!isSameUnit(found, state)) {
        throw new Failure("unit-file-tampered", "the sealed file is that of another unit");
      }
      this.#held = { seal, state: found };
    }
    this.#identity = identity;
    return this.state;
  }

  /** Writes `next` durably, then serves it. After a failure the old state is served until `refresh` finds out. */
  async replace(next: UnitState): Promise<void> {
    const { seal } = this.#open();
    this.#identity = await writeDurably(this.#path, sealed(seal, next), { replace: true });
    this.#held = { seal, state: next };
  }

  #open(): { readonly seal: Seal; readonly state: UnitState } {
    if (!this.#held) throw new Failure("unit-unreachable", "the unit is closed");
    return this.#held;
  }
}

function sealed(seal: Seal, state: UnitState): Uint8Array {
  const bytes = encodeState(state);
  const file = sealState(seal, bytes);
  bytes.fill(0);
  return file;
}

function unsealed(seal: Seal, file: Uint8Array): UnitState {
  const bytes = openState(seal, file);
  try {
    return decodeState(bytes);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new Failure(
      "unit-file-tampered",
      "the sealed file opens, but holds no state that this release knows",
      { cause },
    );
  } finally {
    bytes.fill(0);
  }
}

function isSameUnit(a: UnitState, b: UnitState): boolean {
  const sameKey = Buffer.compare(clonePublicKey(a), clonePublicKey(b)) === 0;
  return sameKey && a.address === b.address && a.group === b.group;
}
