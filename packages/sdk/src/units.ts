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

  /** Creates a software unit, pins it, and copies the group's master keys into it. Errors: `unit-exists`. */
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
