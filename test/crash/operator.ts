import { setTimeout as sleep } from "node:timers/promises";
import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import type { ChangeStateName, ChangeView } from "@claviger/sdk";
import type { ClientLoad, Ledger } from "./client-load.ts";
import { administrator } from "./service.ts";

/** Who runs the verbs: an administrator, a second principal who approves, and clients at work beside them. */
export class Operator implements Disposable {
  readonly client: ClavigerClient;
  readonly second: ClavigerClient;
  readonly folder: string;
  readonly ledger: Ledger;
  readonly load: ClientLoad | undefined;
  readonly #gone: AbortSignal;

  constructor(
    at: { readonly url: string; readonly folder: string },
    options: {
      readonly secondToken: string;
      readonly ledger: Ledger;
      readonly load?: ClientLoad;
      /** Aborts when the daemon is gone. */
      readonly gone?: AbortSignal;
      readonly retries: 0 | 2;
    },
  ) {
    this.client = administrator(at, options.retries);
    this.second = new ClavigerClient({
      address: at.url,
      token: options.secondToken,
      retries: options.retries,
    });
    this.folder = at.folder;
    this.ledger = options.ledger;
    this.load = options.load;
    this.#gone = options.gone ?? new AbortController().signal;
  }

  /** The change that was opened last, or the last one in a state. */
  async change(state?: ChangeStateName): Promise<ChangeView> {
    const { items } = await this.client.changes.list();
    const change = items.find((one) => state === undefined || one.state === state);
    if (!change) throw new Error(`there is no change${state === undefined ? "" : ` in ${state}`}`);
    return change;
  }

  async waitFor(until: ChangeStateName | ((change: ChangeView) => boolean)): Promise<void> {
    const { id } = await this.change();
    await this.client.waitForChange(id, until, { pollMs: 100, patienceMs: 10_000, signal: this.#gone });
  }

  /** The pattern that NEW of the first unit holds, for whoever has to retype it. */
  async patternOfNew(): Promise<string> {
    for (const unit of await this.client.units.list()) {
      const vp = unit.registers[0]?.NEW.vp;
      if (vp) return vp;
    }
    throw new ClavigerError({
      code: "register-state",
      category: "precondition",
      message: "NEW of every unit is empty.",
      advice: "",
    });
  }

  /** Until clients were answered so many times more. */
  async letClientsWork(requests: number): Promise<void> {
    const { load } = this;
    if (!load) return;
    const enough = load.answered + requests;
    while (load.answered < enough) {
      this.#gone.throwIfAborted();
      if (load.failed) return;
      await sleep(5);
    }
  }

  [Symbol.dispose](): void {
    this.client.close();
    this.second.close();
  }
}

/**
 * A verb of the operator. It is repeated after a crash, whether it was done or not: it then does it, or is refused by one
 * of `done`, which say that it was.
 */
export interface Step {
  readonly verb: string;
  readonly act: (operator: Operator) => Promise<unknown>;
  readonly done?: readonly string[];
  /** What is waited for before the next verb. */
  readonly until?: (operator: Operator) => Promise<unknown>;
}

/** Does the steps from `from` on. `at` is told which one is being done. */
export async function drive(
  operator: Operator,
  steps: readonly Step[],
  from = 0,
  at: (step: number) => void = () => undefined,
): Promise<void> {
  for (const [index, step] of steps.entries()) {
    if (index < from) continue;
    at(index);
    try {
      await step.act(operator);
    } catch (error) {
      if (!(error instanceof ClavigerError) || !step.done?.includes(error.code))
        throw new Error(`${step.verb}: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
    }
    await step.until?.(operator);
  }
}
