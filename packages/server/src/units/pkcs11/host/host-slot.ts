import { systemClock } from "../../../core/clock.ts";
import { Failure } from "../../../core/errors.ts";
import type { SerialQueue } from "../../../core/serial-queue.ts";
import type { HostProcessOptions, HostRequest } from "./host-process.ts";
import { HostProcess } from "./host-process.ts";
import { Refusal, TokenTrouble } from "./outcomes.ts";

/** A start that meets trouble with the token is made so often, each time after 10 ms and up to 40 ms a time before. */
const STARTS = 20;
const START_PAUSE_MS = 10;
const START_SPREAD_MS = 40;

/** After a crash: 50 ms, doubled each time up to 1 s, so that service is back soon after a fault has ended. */
const BACK_OFF_MS = 50;
const BACK_OFF_LIMIT_MS = 1_000;
/** A host that served for so long was well: its end is the first again. */
const SERVED_WELL_MS = 10_000;

/** A host that for so long could not mend its session is replaced: most faults end before, and then it is back at once. */
const HELPLESS_MS = 2_000;

export interface HostPlan extends HostProcessOptions {
  /** What a host is started with, asked for each time and wiped. */
  readonly start: () => Uint8Array;
  /** Starts one at a time: tokens refuse hosts that log in at the same moment. */
  readonly starts: SerialQueue;
  readonly onTrouble: (text: string) => void;
  /** A host refused its start, or could not log in again (the PIN). Called before another one starts. */
  readonly onRefused: (refusal: Refusal) => void;
}

/**
 * One place in a lane: a unit host, and another one after it ended, until the slot is closed. A process is started once:
 * what fails is replaced by a fresh process, which has nothing left over.
 */
export class HostSlot {
  /** Resolves when the first start has succeeded, or failed for good or for now. */
  readonly tried: Promise<void>;
  readonly #plan: HostPlan;
  readonly #onRunning: () => void;
  readonly #closed = new AbortController();
  readonly #life: Promise<void>;
  #process: HostProcess | undefined;
  #isStarted = false;
  #restarts = 0;
  /** When it first could not mend its session, of several times in a row, by `performance.now()`. */
  #helplessSinceMs: number | undefined;
  /** Why the last start failed. */
  #trouble: Error | undefined;

  constructor(plan: HostPlan, onRunning: () => void) {
    this.#plan = plan;
    this.#onRunning = onRunning;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.tried = promise;
    this.#life = this.#live(resolve).finally(resolve);
  }

  get isRunning(): boolean {
    return this.#isStarted && this.#process?.isOpen === true;
  }

  get outstanding(): number {
    return this.#process?.outstanding ?? 0;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get pid(): number | undefined {
    return this.#process?.isOpen === true ? this.#process.pid : undefined;
  }

  get trouble(): Error | undefined {
    return this.#trouble;
  }

  /** For a slot that runs. */
  send(request: HostRequest, place: "first" | "last"): void {
    if (!this.#process) throw new Failure("internal", "a slot without a host was chosen");
    if (place === "first") this.#process.sendFirst(request);
    else this.#process.send(request);
  }

  /** Whether its host still mends its session by itself: when not, for long, it is replaced. */
  note(isHelpless: boolean): void {
    const nowMs = performance.now();
    this.#helplessSinceMs = isHelpless ? (this.#helplessSinceMs ?? nowMs) : undefined;
    if (this.#helplessSinceMs !== undefined && nowMs - this.#helplessSinceMs >= HELPLESS_MS)
      void this.#process?.end("could not mend its session and was ended");
  }

  /**
   * Resolves when the host that there is now, running or still starting, has done the operation or is no more. One that
   * does not acknowledge within `withinMs` is ended.
   */
  async tell(op: number, payload: Uint8Array, withinMs: number): Promise<void> {
    const host = this.#process;
    if (!host?.isOpen) {
      await host?.ended;
      return;
    }
    const told = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => told.resolve(false), withinMs);
    host.sendFirst({
      op,
      payload,
      deadline: "quick",
      travelsAlone: false,
      answered: () => told.resolve(true),
      failed: () => told.resolve(false),
      lost: () => told.resolve(false),
    });
    const acknowledged = await told.promise;
    clearTimeout(timer);
    if (!acknowledged) await host.kill("did not acknowledge what all hosts are told");
  }

  /** Ends the host, which first answers what it has, within a second; no other one is started. */
  async close(): Promise<void> {
    this.#closed.abort();
    void this.#process?.end("was ended");
    await this.#life;
  }

  async #live(tried: () => void): Promise<void> {
    const { signal } = this.#closed;
    let failures = 0;
    for (;;) {
      const host = await this.#startPatiently();
      tried();
      if (host) {
        this.#onRunning();
        const sinceMs = performance.now();
        const how = await host.ended;
        if (!signal.aborted) this.#plan.onTrouble(`a unit host ${how}; another one is started`);
        if (performance.now() - sinceMs >= SERVED_WELL_MS) failures = 0;
      } else if (!signal.aborted) {
        this.#plan.onTrouble(`a unit host does not start: ${this.#trouble?.message}`);
      }
      await systemClock.sleep(Math.min(BACK_OFF_MS * 2 ** failures, BACK_OFF_LIMIT_MS), signal);
      if (signal.aborted) return;
      failures += 1;
      this.#restarts += 1;
    }
  }

  async #startPatiently(): Promise<HostProcess | undefined> {
    const { signal } = this.#closed;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        return await this.#plan.starts.run(() => this.#startOnce());
      } catch (error) {
        this.#trouble = error as Error;
        const isWorthAnother = error instanceof TokenTrouble && error.retry !== "never";
        if (!isWorthAnother || attempt === STARTS) return undefined;
      }
      await systemClock.sleep(START_PAUSE_MS + Math.random() * START_SPREAD_MS * attempt, signal);
    }
    return undefined;
  }

  /** @throws what the host refused its start for, or failed with; whatever `start` throws. */
  async #startOnce(): Promise<HostProcess | undefined> {
    if (this.#closed.signal.aborted) return undefined;
    this.#isStarted = false;
    this.#helplessSinceMs = undefined;
    try {
      const host = new HostProcess(this.#plan);
      this.#process = host;
      await host.start(this.#plan.start());
      this.#isStarted = true;
      this.#trouble = undefined;
      return host;
    } catch (error) {
      if (error instanceof Refusal) this.#plan.onRefused(error);
      await this.#process?.end("did not start");
      throw error;
    }
  }
}
