import type { UnitView } from "@claviger/api";
import type { CallInput } from "./call.ts";
import type { Caller } from "./caller.ts";

/** Crypto units, each by its address `card.domain` in hex, as `03.0033`. */
export class Units {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Every unit with its registers. */
  async list(): Promise<UnitView[]> {
    return (await this.#caller.call("listUnits", {})).items;
  }

  /** Shows a unit. Errors: `unit-not-found`. */
  get(unit: string): Promise<UnitView> {
    return this.#caller.call("getUnit", { params: { unit } });
  }

  /**
   * Creates a software unit, or attaches a token with `pkcs11: { uri, clonable? }` (RFC 7512, paths on the daemon's machine);
   * pins it, and copies the group's master keys into it. Without `clonable` the master keys that the token makes can never be
   * copied. Errors: `unit-exists`, `module-not-allowed`, `pin-file-refused`,
   * `unit-lacks-ability`.
   */
  add(unit: CallInput<"addUnit">["body"] = {}): Promise<UnitView> {
    return this.#caller.call("addUnit", { body: unit });
  }

  /** Takes a unit out of its group. Errors: `unit-needed` for the last one that serves. */
  remove(unit: string): Promise<UnitView> {
    return this.#caller.call("removeUnit", { params: { unit } });
  }

  /** Stops using a unit until it is readmitted; the reason (1 to 200 characters) is recorded. */
  quarantine(unit: string, reason: string): Promise<UnitView> {
    return this.#caller.call("quarantineUnit", { params: { unit }, body: { reason } });
  }

  /** Lets a unit serve again. Errors: `unit-register-differs` while its registers are not those of its group. */
  readmit(unit: string): Promise<UnitView> {
    return this.#caller.call("readmitUnit", { params: { unit } });
  }
}
