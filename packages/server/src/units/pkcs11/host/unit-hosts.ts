import { Failure } from "../../../core/errors.ts";
import { SerialQueue } from "../../../core/serial-queue.ts";
import { PAYLOAD_LIMIT_BYTES } from "./frames.ts";
import type { DeadlineClass, DeadlinesMs, HostCall } from "./host-call.ts";
import type { HostPlan } from "./host-slot.ts";
import { Lane } from "./lane.ts";
import { failureOf, TokenTrouble } from "./outcomes.ts";

export interface UnitHostsOptions {
  /** The file that calls `serveRequests`. */
  readonly entry: URL;
  /** Hosts of the work lane: as many as cores for a token in software, 8 to 16 for an HSM in the network. */
  readonly hosts: number;
  /**
   * What a host is started with, asked for at each start and wiped when it was sent. A `Refusal` that it throws is as one
   * of the host; anything else only delays the start.
   */
  readonly start: () => Uint8Array;
  /** All of the hosts' environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly deadlinesMs: DeadlinesMs;
  /** The PIN was refused: to a host that started, or that had to log in again. Once. */
  readonly onRefused?: () => void;
  /** One sentence for the log: a host ended, does not start, or stopped them all. */
  readonly onTrouble?: (text: string) => void;
}

export interface HostStats {
  /** Hosts that serve, of those that there should be. */
  readonly running: number;
  readonly hosts: number;
  /** Calls that are queued at a host or being done, and calls for which no host runs. */
  readonly outstanding: number;
  readonly waiting: number;
  /** Since the pool was opened. */
  readonly restarts: number;
  readonly repeated: number;
  readonly pids: readonly number[];
}

/**
 * The unit hosts of one crypto unit: child processes that have its module loaded and are logged in. They are started one
 * after the other and replaced when they end; calls find one that runs. A start that is refused is made once, and so is a login
 * of a host that had to mend its session: it stops all hosts, and every call from then on is `unit-unreachable`.
 */
export class UnitHosts {
  readonly #options: UnitHostsOptions;
  readonly #plan: HostPlan;
  readonly #work: Lane;
  #generation: Lane | undefined;
  #refused: Failure | undefined;
  #stopped: Failure | undefined;

  private constructor(options: UnitHostsOptions) {
    this.#options = options;
    const { entry, environment, deadlinesMs, start, onTrouble = () => {} } = options;
    this.#plan = {
      entry,
      environment,
      deadlinesMs,
      start,
      onTrouble,
      starts: new SerialQueue(),
      onRefused: (refusal) => this.#refuse(failureOf(refusal)),
    };
    this.#work = new Lane(this.#plan, options.hosts);
  }

  /**
   * Resolves when each host of the work lane was started, or could not be for now, and at least one serves.
   * @throws Failure what the start was refused with; `unit-unreachable`, `internal` when no host starts. Nothing is left then.
   */
  static async open(options: UnitHostsOptions): Promise<UnitHosts> {
    const hosts = new UnitHosts(options);
    const { slots } = hosts.#work;
    await Promise.all(slots.map((slot) => slot.tried));
    if (!hosts.#stopped && slots.some((slot) => slot.isRunning)) return hosts;
    const trouble = slots.find((slot) => slot.trouble)?.trouble;
    const refused = hosts.#refused;
    await hosts.close();
    if (refused) throw refused;
    if (trouble instanceof TokenTrouble) throw failureOf(trouble);
    throw trouble ?? new Failure("unit-unreachable", "no unit host goes on after its start");
  }

  /**
   * The result, which is the caller's alone.
   * @throws UnknownHandle; Failure with the code of a refusal, `unit-unreachable` after trouble or when no host runs
   * within the deadline (the detail says when it is not known whether the request was done), `internal`.
   */
  call(call: HostCall): Promise<Uint8Array> {
    if (this.#stopped) return Promise.reject(this.#stopped);
    if (call.payload.byteLength > PAYLOAD_LIMIT_BYTES) {
      return Promise.reject(new Failure("internal", "a request to a unit host that is longer than a frame"));
    }
    return (call.lane === "generation" ? this.#generationLane() : this.#work).call(call);
  }

  /**
   * Has every host of both lanes do this before any later call. One that has not acknowledged it within the deadline is
   * ended and replaced: whatever it knew is gone then.
   */
  async tellAll(op: number, payload: Uint8Array, deadline: DeadlineClass = "quick"): Promise<void> {
    const withinMs = this.#options.deadlinesMs[deadline];
    await Promise.all(this.#lanes().map((lane) => lane.tellAll(op, payload, withinMs)));
  }

  get stats(): HostStats {
    const lanes = this.#lanes();
    const slots = lanes.flatMap((lane) => lane.slots);
    const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
    return {
      running: slots.filter((slot) => slot.isRunning).length,
      hosts: slots.length,
      outstanding: sum(slots.map((slot) => slot.outstanding)),
      waiting: sum(lanes.map((lane) => lane.waiting)),
      restarts: sum(slots.map((slot) => slot.restarts)),
      repeated: sum(lanes.map((lane) => lane.repeated)),
      pids: slots.flatMap((slot) => slot.pid ?? []),
    };
  }

  /** Hosts answer what they were sent and end, within a second; what was not sent fails. */
  async close(): Promise<void> {
    await this.#stop(new Failure("unit-unreachable", "the unit is closed"));
  }

  #lanes(): readonly Lane[] {
    return this.#generation ? [this.#work, this.#generation] : [this.#work];
  }

  #generationLane(): Lane {
    return (this.#generation ??= new Lane(this.#plan, 1));
  }

  /** For those who ask, a unit that does not let anybody in gives no answer, and they go to another one. */
  #refuse(refusal: Failure): void {
    if (this.#stopped) return;
    this.#refused = refusal;
    void this.#stop(new Failure("unit-unreachable", refusal.message));
    this.#options.onRefused?.();
    this.#options.onTrouble?.(`all unit hosts are stopped: ${refusal.message}`);
  }

  async #stop(reason: Failure): Promise<void> {
    this.#stopped ??= reason;
    await Promise.all(this.#lanes().map((lane) => lane.stop(reason)));
  }
}
