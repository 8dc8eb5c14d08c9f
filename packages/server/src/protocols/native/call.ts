import type { GuardedRouteName, OpenRouteName, RouteInput, RouteReply } from "@claviger/api";
import type { Principal } from "../../core/access/principal.ts";
import type { Touched } from "../../core/audit/audit-draft.ts";
import type { Proved, RecordedRequest, RequestLog } from "../../core/audit/request-log.ts";
import { Failure } from "../../core/errors.ts";
import type { FailureCode } from "../../core/errors.ts";
import { ROUTE_RECORDING } from "./audit.ts";
import { admitTo, authenticate } from "./auth.ts";
import type { Admission, Asking, Gate } from "./auth.ts";
import { KEY_BEARING } from "./roles.ts";

/*
 * A request of a route, whoever reads it from the wire and replies: who may call, what is recorded, and what may leave.
 * `run` gives the reply, which may leave as soon as it is there. What a call is refused with leaves when `refused` has recorded it.
 */

/**
 * What the routes call: one function a route, which gets its validated input and who calls, and notes in `touched` what
 * it finds out for the audit log.
 */
export type NativeHandlers = {
  readonly [R in GuardedRouteName]: (
    input: RouteInput<R>,
    caller: Principal,
    touched: Touched,
  ) => Promise<RouteReply<R>>;
};
/** The routes that are called to become someone: nobody calls them yet, and they say who it is once that is proved. */
export type SignInHandlers = {
  readonly [R in OpenRouteName]: (input: RouteInput<R>, proved: Proved) => Promise<RouteReply<R>>;
};

export interface NativePorts {
  readonly handlers: NativeHandlers & SignInHandlers;
  readonly gate: Gate;
  readonly requestLog: Pick<RequestLog, "admit" | "done" | "changing">;
  /** The code of the failure that a request is refused with for whatever was thrown. */
  readonly codeOf: (error: unknown) => FailureCode;
}

export interface NativeCall {
  /** Records what the request is refused with, unless it is recorded already. Returns what it is to be refused with. */
  refused(error: unknown): Promise<unknown>;
}

/** How often something may be revoked under one request before it gives up. */
const ADMISSIONS = 4;

/** A request of a route that needs a caller. */
export class GuardedCall<R extends GuardedRouteName> implements NativeCall {
  readonly #ports: NativePorts;
  readonly #name: R;
  readonly #asking: Asking;
  readonly #touched: Touched;
  #principal: Principal | undefined;
  #admission: Admission | undefined;
  #isRecorded = false;

  constructor(ports: NativePorts, name: R, asking: Asking) {
    this.#ports = ports;
    this.#name = name;
    this.#asking = asking;
    this.#touched = askedBy(asking.params);
  }

  /** @throws Failure of whoever is not let in. */
  async letIn(): Promise<void> {
    const { gate } = this.#ports;
    const revocations = gate.revocations.seen;
    const caller = await authenticate(gate, this.#asking);
    this.#principal = caller;
    await admitTo(gate, this.#name, caller, this.#asking.params);
    this.#admission = { caller, revocations };
  }

  /**
   * After `letIn`. What is replied; if the reply bears a key, only if nothing was revoked since the caller was let in.
   * @throws what the handler throws; Failure `audit-unavailable`, `rights-moved`, and as `letIn`.
   */
  async run(input: RouteInput<R>): Promise<RouteReply<R>> {
    const { gate, requestLog } = this.#ports;
    const recording = ROUTE_RECORDING[this.#name];
    if (recording !== "refusals") requestLog.admit(this.#admitted.caller);
    if (recording === "change") {
      this.#isRecorded = true;
      return await requestLog.changing(this.#record(), () => this.#handle(input));
    }
    for (let times = 1; times <= ADMISSIONS; times += 1) {
      const reply = await this.#handle(input);
      if (recording === "use") await requestLog.done(this.#record(), "allowed");
      if (!KEY_BEARING.has(this.#name)) return reply;
      // Found out under rights that may be gone, it does not leave: the caller is let in anew, or refused.
      if ((await gate.revocations.read()) === this.#admitted.revocations) return reply;
      await this.letIn();
    }
    throw new Failure("rights-moved");
  }

  async refused(error: unknown): Promise<unknown> {
    return this.#isRecorded ? error : await recordedRefusal(this.#ports, this.#record(), error);
  }

  get #admitted(): Admission {
    if (!this.#admission) throw new Failure("internal", "The caller of the route was not checked.");
    return this.#admission;
  }

  #handle(input: RouteInput<R>): Promise<RouteReply<R>> {
    const handle: NativeHandlers[R] = this.#ports.handlers[this.#name];
    return handle(input, this.#admitted.caller, this.#touched);
  }

  #record(): RecordedRequest {
    return {
      request: this.#asking.id,
      operation: this.#name,
      principal: this.#principal,
      touched: this.#touched,
    };
  }
}

/** A request of a route that nobody is let in to: who calls it is known, if at all, when it has succeeded. */
export class OpenCall<R extends OpenRouteName> implements NativeCall {
  readonly #ports: NativePorts;
  readonly #name: R;
  readonly #record: RecordedRequest;
  #isRecorded = false;

  constructor(ports: NativePorts, name: R, { id, params }: Pick<Asking, "id" | "params">) {
    this.#ports = ports;
    this.#name = name;
    this.#record = { request: id, operation: name, principal: undefined, touched: askedBy(params) };
  }

  /** @throws what the handler throws; Failure `audit-unavailable`. */
  async run(input: RouteInput<R>): Promise<RouteReply<R>> {
    const handle: SignInHandlers[R] = this.#ports.handlers[this.#name];
    if (ROUTE_RECORDING[this.#name] !== "change") return await handle(input, nobody);
    this.#isRecorded = true;
    return await this.#ports.requestLog.changing(this.#record, (proved) => handle(input, proved));
  }

  async refused(error: unknown): Promise<unknown> {
    return this.#isRecorded ? error : await recordedRefusal(this.#ports, this.#record, error);
  }
}

/** What does not change anything proves nobody. */
const nobody: Proved = () => undefined;

/** Refusals before a request has begun to touch anything, and those of the log itself, which counts them. */
const UNRECORDED: ReadonlySet<FailureCode> = new Set<FailureCode>(["audit-unavailable", "stopping"]);

/** The record of a refusal comes before its reply; a refusal that cannot be recorded becomes another one. */
async function recordedRefusal(
  { requestLog, codeOf }: NativePorts,
  record: RecordedRequest,
  error: unknown,
): Promise<unknown> {
  const code = codeOf(error);
  if (UNRECORDED.has(code)) return error;
  try {
    await requestLog.done(record, code);
    return error;
  } catch (unrecorded) {
    return unrecorded;
  }
}

/** What the path names, until it is found. */
function askedBy(params: Asking["params"]): Touched {
  const names = Object.values(params);
  return names.length === 0 ? {} : { asked: names.join("/") };
}
