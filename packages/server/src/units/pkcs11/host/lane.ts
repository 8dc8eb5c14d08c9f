import { Failure } from "../../../core/errors.ts";
import { homeHost } from "./home-host.ts";
import type { HostCall } from "./host-call.ts";
import type { HostPlan } from "./host-slot.ts";
import { HostSlot } from "./host-slot.ts";
import type { HostError } from "./outcomes.ts";
import { failureOf, Refusal, TokenTrouble, UnknownHandle } from "./outcomes.ts";
import { WaitingCalls } from "./waiting-calls.ts";

interface PendingCall {
  readonly call: HostCall;
  expiresMs: number;
  readonly resolve: (result: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  readonly expire: () => void;
  isRepeated: boolean;
}

/**
 * Hosts that share work, and the rules by which calls find one:
 *
 * - A call with a home goes there. While the home is being replaced, a repeatable one goes to the next host that runs,
 *   always the same one, and any other waits.
 * - A call without a home goes to the host that has least to do.
 * - A call for which no host runs waits until its deadline.
 * - A call that was sent and not answered, or met trouble with the token, is repeated once if it is repeatable, at
 *   another host where there is one (at the same after trouble that the host has mended), before all others and alone, so
 *   that a request that ends its hosts takes no other with it.
 */
export class Lane {
  readonly slots: readonly HostSlot[];
  readonly #plan: HostPlan;
  readonly #waiting = new WaitingCalls<PendingCall>();
  #repeated = 0;
  #stopped: Failure | undefined;

  constructor(plan: HostPlan, hosts: number) {
    this.#plan = plan;
    this.slots = Array.from({ length: hosts }, () => new HostSlot(plan, () => this.#routeWaiting()));
  }

  get waiting(): number {
    return this.#waiting.count;
  }

  get repeated(): number {
    return this.#repeated;
  }

  /** @throws as `UnitHosts.call`. */
  call(call: HostCall): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const expire = (): void => reject(new Failure("unit-unreachable", "no unit host ran in time"));
      this.#route({ call, expiresMs: this.#expiresMs(call), resolve, reject, expire, isRepeated: false });
    });
  }

  async tellAll(op: number, payload: Uint8Array, withinMs: number): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.tell(op, payload, withinMs)));
  }

  /** Whatever has not been sent fails with `reason`; hosts answer what they have and end. */
  async stop(reason: Failure): Promise<void> {
    this.#stopped ??= reason;
    const closed = this.slots.map((slot) => slot.close());
    this.#routeWaiting();
    await Promise.all(closed);
  }

  #routeWaiting(): void {
    for (const pending of this.#waiting.takeAll()) this.#route(pending);
  }

  #route(pending: PendingCall, without?: HostSlot): void {
    if (this.#stopped) return pending.reject(this.#stopped);
    const slot = this.#hostFor(pending.call, without);
    if (slot) this.#send(slot, pending);
    else this.#waiting.add(pending);
  }

  /** `without` is taken only where no other one runs. */
  #hostFor({ home, isRepeatable }: HostCall, without?: HostSlot): HostSlot | undefined {
    if (home === undefined) return this.#leastBusy(without);
    const first = homeHost(home, this.slots.length);
    const steps = isRepeatable ? this.slots.length : 1;
    for (let step = 0; step < steps; step += 1) {
      const slot = this.slots[(first + step) % this.slots.length];
      if (slot?.isRunning === true && slot !== without) return slot;
    }
    return without?.isRunning === true ? without : undefined;
  }

  #leastBusy(without?: HostSlot): HostSlot | undefined {
    let best: HostSlot | undefined;
    for (const slot of this.slots) {
      if (slot === without || !slot.isRunning) continue;
      if (!best || slot.outstanding < best.outstanding) best = slot;
    }
    return best ?? (without?.isRunning === true ? without : undefined);
  }

  #expiresMs({ deadline }: HostCall): number {
    return performance.now() + this.#plan.deadlinesMs[deadline];
  }

  #send(slot: HostSlot, pending: PendingCall): void {
    const { op, payload, deadline } = pending.call;
    const request = {
      op,
      payload,
      deadline,
      travelsAlone: pending.isRepeated,
      answered: (result: Uint8Array) => {
        slot.note(false);
        pending.resolve(result);
      },
      failed: (error: HostError) => this.#failed(slot, pending, error),
      lost: (wasSent: boolean) => this.#lost(slot, pending, wasSent),
    };
    slot.send(request, pending.isRepeated ? "first" : "last");
  }

  #failed(slot: HostSlot, pending: PendingCall, error: HostError): void {
    slot.note(error instanceof TokenTrouble && error.retry === "elsewhere");
    if (error instanceof Failure || error instanceof UnknownHandle) return pending.reject(error);
    if (error instanceof Refusal && error.code === "unit-pin-wrong") {
      this.#plan.onRefused(error);
      return this.#route(pending);
    }
    if (!(error instanceof TokenTrouble)) return pending.reject(failureOf(error));
    if (error.retry !== "never" && this.#mayRepeat(pending)) {
      if (error.retry === "here" && slot.isRunning) this.#send(slot, pending);
      else this.#route(pending, slot);
    } else if (pending.call.isRepeatable) pending.reject(failureOf(error));
    else pending.reject(outcomeUnknown(error.message));
  }

  #lost(slot: HostSlot, pending: PendingCall, wasSent: boolean): void {
    if (!wasSent || this.#mayRepeat(pending)) this.#route(pending, slot);
    else if (pending.call.isRepeatable) {
      pending.reject(
        new Failure("unit-unreachable", "a unit host ended before it answered, and another one too"),
      );
    } else pending.reject(outcomeUnknown("a unit host ended before it answered"));
  }

  /** Once for each call, and not any more when it says yes. */
  #mayRepeat(pending: PendingCall): boolean {
    if (pending.isRepeated || !pending.call.isRepeatable) return false;
    pending.isRepeated = true;
    pending.expiresMs = this.#expiresMs(pending.call);
    this.#repeated += 1;
    return true;
  }
}

function outcomeUnknown(what: string): Failure {
  return new Failure("unit-unreachable", `${what}; it is not known whether the request was done`);
}
