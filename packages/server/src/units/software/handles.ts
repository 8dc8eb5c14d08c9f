import type { KeyObject } from "node:crypto";
import { PayloadKey } from "../../core/crypto/payload-suite.ts";
import { Failure } from "../../core/errors.ts";
import type { UnitAddress } from "../../core/ids.ts";
import type { SigningSpec } from "../../core/crypto/signature-algorithms.ts";
import type { KekHandle, MaterialHandle, SigningHandle } from "../../core/unit/crypto-unit.ts";

/** The unit that handles belong to, by identity: a handle of another one, or of one that was closed, is refused. */
export class HandleOwner {
  readonly unit: UnitAddress;
  #open = true;

  constructor(unit: UnitAddress) {
    this.unit = unit;
  }

  close(): void {
    this.#open = false;
  }

  /** @throws Failure `unit-unreachable` after `close`. */
  assertOpen(): void {
    if (!this.#open) throw new Failure("unit-unreachable", "the unit is closed");
  }
}

/** An opened KEK. Disposing it forgets the key; OpenSSL zeroes the memory of a KeyObject that nothing holds. */
export class SoftwareKek implements KekHandle {
  readonly unit: UnitAddress;
  readonly #owner: HandleOwner;
  #key: KeyObject | undefined;

  constructor(owner: HandleOwner, key: KeyObject) {
    this.unit = owner.unit;
    this.#owner = owner;
    this.#key = key;
  }

  /** For the material face alone. @throws Failure `internal` for a handle that is not `owner`'s or was disposed. */
  static keyOf(handle: KekHandle, owner: HandleOwner): KeyObject {
    owner.assertOpen();
    if (!(handle instanceof SoftwareKek) || handle.#owner !== owner || !handle.#key) refuse("KEK");
    return handle.#key;
  }

  [Symbol.dispose](): void {
    this.#key = undefined;
  }
}

/** Opened key material. Disposing it forgets the keys; OpenSSL zeroes the memory of what nothing holds. */
export class SoftwareMaterial implements MaterialHandle {
  readonly unit: UnitAddress;
  readonly #owner: HandleOwner;
  #key: PayloadKey | undefined;

  constructor(owner: HandleOwner, key: KeyObject) {
    this.unit = owner.unit;
    this.#owner = owner;
    this.#key = new PayloadKey(key);
  }

  /** For the material face alone. @throws Failure `internal` for a handle that is not `owner`'s or was disposed. */
  static keyOf(handle: MaterialHandle, owner: HandleOwner): PayloadKey {
    owner.assertOpen();
    if (!(handle instanceof SoftwareMaterial) || handle.#owner !== owner || !handle.#key) refuse("material");
    return handle.#key;
  }

  [Symbol.dispose](): void {
    this.#key = undefined;
  }
}

/** An opened signing key and what it is. */
export class SoftwareSigningKey implements SigningHandle {
  readonly unit: UnitAddress;
  readonly #owner: HandleOwner;
  readonly #spec: SigningSpec;
  #key: KeyObject | undefined;

  constructor(owner: HandleOwner, spec: SigningSpec, key: KeyObject) {
    this.unit = owner.unit;
    this.#owner = owner;
    this.#spec = spec;
    this.#key = key;
  }

  /** For the signing face alone. @throws Failure `internal` for a handle that is not `owner`'s or was disposed. */
  static keyOf(
    handle: SigningHandle,
    owner: HandleOwner,
  ): { readonly spec: SigningSpec; readonly key: KeyObject } {
    owner.assertOpen();
    if (!(handle instanceof SoftwareSigningKey) || handle.#owner !== owner || !handle.#key)
      refuse("signing key");
    return { spec: handle.#spec, key: handle.#key };
  }

  [Symbol.dispose](): void {
    this.#key = undefined;
  }
}

function refuse(what: string): never {
  throw new Failure("internal", `a ${what} handle was used that was disposed or belongs to another unit`);
}
