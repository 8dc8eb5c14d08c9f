import type { ChangeView, PlanView } from "@claviger/api";
import type { CallInput, CallOptions } from "./call.ts";
import type { Caller, PageQuery } from "./caller.ts";
import { WHOLE_PAGE } from "./caller.ts";
import type { Page } from "./pages.ts";
import { eachItem } from "./pages.ts";

/**
 * Master-key changes. Verbs return as soon as the service has taken them on; `client.waitForChange` waits for the end.
 * Every verb may be repeated. Errors of all: `change-not-found`, `change-state`.
 */
export class Changes {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Dry run: opens a sample, counts rows, names every obstacle; changes nothing. */
  plan(of: CallInput<"planChange">["query"] = {}): Promise<PlanView> {
    return this.#caller.call("planChange", { query: of });
  }

  /** Opens a change. Errors: `change-open` when one is open for this group and type, `pattern-not-expected`. */
  create(change: CallInput<"createChange">["body"] = {}): Promise<ChangeView> {
    return this.#caller.call("createChange", { body: change });
  }

  /** One page of the changes, the newest first. */
  list(page: PageQuery = {}): Promise<Page<ChangeView>> {
    return this.#caller.call("listChanges", { query: page });
  }

  /** Every change, the newest first. */
  all(): AsyncGenerator<ChangeView, void, undefined> {
    return eachItem((after) => this.list({ limit: WHOLE_PAGE, after }));
  }

  /** Shows a change. Errors: `change-not-found`. */
  get(id: string, options?: CallOptions): Promise<ChangeView> {
    return this.#caller.call("getChange", { params: { change: id } }, options);
  }

  /** Starts to re-encipher every KEK under the target; ends in READY. Errors: `change-not-ready`. */
  reencipher(id: string): Promise<ChangeView> {
    return this.#caller.call("reencipherChange", { params: { change: id } });
  }

  /** Pauses at the end of the batch. */
  pause(id: string): Promise<ChangeView> {
    return this.#caller.call("pauseChange", { params: { change: id } });
  }

  /** Goes on; rows that failed are tried again. */
  resume(id: string): Promise<ChangeView> {
    return this.#caller.call("resumeChange", { params: { change: id } });
  }

  /**
   * Makes NEW the CURRENT master key, unit by unit: the point of no return. `vp` is the pattern of the target.
   * Errors: `register-pattern-mismatch`, `change-not-ready`; with `override` obstacles
   * are passed, once another principal approved what this call then asks for.
   */
  activate(id: string, how: CallInput<"activateChange">["body"]): Promise<ChangeView> {
    return this.#caller.call("activateChange", { params: { change: id }, body: how });
  }

  /** Moves every KEK's form under the target into use; ends in DONE. Errors: `change-unverified`. */
  finalize(id: string): Promise<ChangeView> {
    return this.#caller.call("finalizeChange", { params: { change: id } });
  }

  /** Takes everything back, until the first unit has activated; ends in CANCELED. */
  cancel(id: string): Promise<ChangeView> {
    return this.#caller.call("cancelChange", { params: { change: id } });
  }

  /** Opens a change back to the master key of before, filled from OLD; returns that new change. */
  restore(id: string): Promise<ChangeView> {
    return this.#caller.call("restoreChange", { params: { change: id } });
  }

  /** Approves what another principal asked for, which has it done. Errors: `approval-own`, `approval-missing`. */
  approve(id: string): Promise<ChangeView> {
    return this.#caller.call("approveChange", { params: { change: id } });
  }

  /**
   * Asks to delete the forms under the old master key and to clear OLD. It is done once another principal approves, and
   * ends in PURGED.
   */
  purge(id: string): Promise<ChangeView> {
    return this.#caller.call("purgeChange", { params: { change: id } });
  }
}
