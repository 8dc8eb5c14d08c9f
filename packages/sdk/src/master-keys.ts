import type { RouteReply } from "@claviger/api";
import type { CallInput } from "./call.ts";
import type { Caller } from "./caller.ts";

/** A unit and its registers after the command. */
export type UnitRegisters = RouteReply<"generateMasterKey">["units"][number];

/**
 * Commands to the registers of crypto units. `group` and `type` may be left out where there is only one. A verification
 * pattern is given as a person types it: its first 16 bytes or more, in hex. Errors: `register-state`,
 * `register-pattern-mismatch`, `register-command-refused` while an open change forbids it.
 */
export class MasterKeys {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Fills NEW of one unit with a random master key, uncommitted. */
  async generate(command: CallInput<"generateMasterKey">["body"] = {}): Promise<UnitRegisters[]> {
    return (await this.#caller.call("generateMasterKey", { body: command })).units;
  }

  /** Copies a register (default NEW) of one unit to others (default all of the group), wrapped for their pinned keys. */
  async copy(command: CallInput<"copyMasterKey">["body"] = {}): Promise<UnitRegisters[]> {
    return (await this.#caller.call("copyMasterKey", { body: command })).units;
  }

  /** Commits NEW on every unit of the group (or one) that holds this pattern. */
  async commit(command: CallInput<"commitMasterKey">["body"]): Promise<UnitRegisters[]> {
    return (await this.#caller.call("commitMasterKey", { body: command })).units;
  }

  /** Clears NEW on every unit of the group (or one) that holds this pattern. */
  async clearNew(command: CallInput<"clearNewMasterKey">["body"]): Promise<UnitRegisters[]> {
    return (await this.#caller.call("clearNewMasterKey", { body: command })).units;
  }
}
