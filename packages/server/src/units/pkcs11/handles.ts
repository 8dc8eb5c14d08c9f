import { Failure } from "../../core/errors.ts";
import type { SigningSpec } from "../../core/crypto/signature-algorithms.ts";
import type { UnitAddress } from "../../core/ids.ts";
import type { KekHandle, KekToOpen, MaterialHandle, SigningHandle } from "../../core/unit/crypto-unit.ts";

/*
 * What the daemon holds of an object that is open in the unit hosts: its number, and what opens it again in a host that
 * has begun anew or has made room.
 */

/** The unit that handles belong to, by identity. */
export interface HandleOwner {
  readonly unit: UnitAddress;
  readonly isOpen: boolean;
  /** The next number; no number comes twice. */
  number(): number;
  /** Lets the hosts drop what has this number. */
  drop(number: number, home: string): void;
}

abstract class Opened {
  readonly unit: UnitAddress;
  readonly number: number;
  /** What its home host is found by. */
  readonly home: string;
  readonly #owner: HandleOwner;
  #isOpen = true;

  constructor(owner: HandleOwner, home: string) {
    this.unit = owner.unit;
    this.#owner = owner;
    this.number = owner.number();
    this.home = home;
  }

  /** @throws Failure `internal` for a handle that is not `owner`'s or was disposed, `unit-unreachable` after the unit was closed. */
  assertOf(owner: HandleOwner): void {
    if (!owner.isOpen) throw new Failure("unit-unreachable", "the unit is closed");
    if (this.#owner !== owner || !this.#isOpen)
      throw new Failure("internal", "a handle was used that was disposed or belongs to another unit");
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#owner.isOpen) this.#owner.drop(this.number, this.home);
  }
}

export class TokenKek extends Opened implements KekHandle {
  readonly kek: KekToOpen;

  constructor(owner: HandleOwner, kek: KekToOpen) {
    super(owner, kek.kekId);
    this.kek = kek;
  }
}

export class TokenMaterial extends Opened implements MaterialHandle {
  readonly under: TokenKek;
  readonly wrapped: Uint8Array;

  constructor(owner: HandleOwner, under: TokenKek, wrapped: Uint8Array) {
    super(owner, Buffer.from(wrapped).toString("base64"));
    this.under = under;
    this.wrapped = wrapped;
  }
}

export class TokenSigningKey extends Opened implements SigningHandle {
  readonly under: TokenKek;
  readonly wrapped: Uint8Array;
  readonly spec: SigningSpec;

  constructor(owner: HandleOwner, under: TokenKek, spec: SigningSpec, wrapped: Uint8Array) {
    super(owner, Buffer.from(wrapped).toString("base64"));
    this.under = under;
    this.wrapped = wrapped;
    this.spec = spec;
  }
}

/** The unit's own handle of this kind. @throws Failure `internal`, `unit-unreachable`. */
export function own<Handle extends Opened>(
  kind: abstract new (...args: never[]) => Handle,
  handle: object,
  owner: HandleOwner,
): Handle {
  if (!owner.isOpen) throw new Failure("unit-unreachable", "the unit is closed");
  if (!(handle instanceof kind))
    throw new Failure("internal", "a handle was used that belongs to another unit");
  handle.assertOf(owner);
  return handle;
}
