import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../../core/clock.ts";
import { Failure } from "../../../core/errors.ts";
import { FrameReader, FrameWriter, itemBytes, itemsOf } from "./frames.ts";
import type { DeadlineClass, DeadlinesMs } from "./host-call.ts";
import type { HostError } from "./outcomes.ts";
import { errorIn, STATUS } from "./outcomes.ts";
import { START } from "./serve-requests.ts";

const BATCH_REQUESTS = 64;
/** Long requests go in smaller batches, so that putting one together never holds up the event loop. */
const BATCH_BYTES = 256 * 1024;
/** One that is being done, and one that is there when it is done. */
const BATCHES_IN_FLIGHT = 2;
/** A host that was told to end, or that let go of its pipe, has so long for it. */
const END_WITHIN_MS = 1_000;
/** What a host wrote before it died is read within this time. */
const LAST_WORDS_MS = 100;

/** Core dumps are off whatever the daemon has: a vendor's module that crashes has keys in its memory. */
const SHELL = 'ulimit -c 0; exec "$0" "$@"';

export interface HostProcessOptions {
  /** The file that calls `serveRequests`. */
  readonly entry: URL;
  /** All of the child's environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly deadlinesMs: DeadlinesMs;
}

/** One request on its way, and what becomes of it: exactly one of the three, once. */
export interface HostRequest {
  readonly op: number;
  readonly payload: Uint8Array;
  readonly deadline: DeadlineClass | "start";
  /** Nothing else is in flight with it, so that a request that may end its host takes no other with it. */
  readonly travelsAlone: boolean;
  answered(result: Uint8Array): void;
  failed(error: HostError): void;
  /** The host ended before it answered. What was never sent was not done; of what was sent nobody knows. */
  lost(wasSent: boolean): void;
}

interface Batch {
  readonly firstId: number;
  /** All of the same deadline, and answered in this order. */
  readonly requests: readonly HostRequest[];
  answered: number;
}

/**
 * One unit host: a child process with a queue of requests, of which it gets batches. It ends once, for whatever reason,
 * and then hands back every request that it did not answer.
 */
export class HostProcess {
  /** Resolves when the process is gone and every request settled, with what completes "a unit host …": `was ended by SIGSEGV`. */
  readonly ended: Promise<string>;
  readonly #options: HostProcessOptions;
  readonly #child: ChildProcess;
  readonly #pipe: Duplex;
  readonly #reader = new FrameReader();
  readonly #writer = new FrameWriter();
  /** Sent before all that is in `#queue`. */
  #urgent: HostRequest[] = [];
  #queue: HostRequest[] = [];
  #batches: Batch[] = [];
  #nextId = 0;
  #flushIsDue = false;
  #isOpen = true;
  #endedFor: string | undefined;
  /** When the oldest request in flight is overdue, and when the watchdog looks, by `performance.now()`. */
  #dueMs = 0;
  #looksMs = 0;
  #watchdog: NodeJS.Timeout | undefined;
  #endTimer: NodeJS.Timeout | undefined;

  constructor(options: HostProcessOptions) {
    this.#options = options;
    this.#child = spawnHost(options);
    this.#pipe = this.#child.stdio[3] as Duplex;
    this.ended = this.#untilEnded();
    this.#pipe.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#pipe.on("close", () => this.#endSoon());
    // That nobody reads any more is told by the end of the process.
    this.#pipe.on("error", () => {});
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Whether it takes requests. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Requests that are queued or in flight. */
  get outstanding(): number {
    const inFlight = this.#batches.reduce((sum, batch) => sum + batch.requests.length - batch.answered, 0);
    return inFlight + this.#urgent.length + this.#queue.length;
  }

  /**
   * The first request, sent before this returns; `payload` is wiped then.
   * @throws what the host refused or failed with; Failure `unit-unreachable` when it ended over its start.
   */
  async start(payload: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#queue.push({
      op: START,
      payload,
      deadline: "start",
      travelsAlone: true,
      answered: () => resolve(),
      failed: reject,
      lost: () => reject(new Failure("unit-unreachable", "the unit host ended while it started")),
    });
    this.#flush();
    payload.fill(0);
    await promise;
  }

  /** Requests that come in the same turn of the event loop travel together. */
  send(request: HostRequest): void {
    this.#queue.push(request);
    this.#flushSoon();
  }

  /** Before all that is not yet on its way, but after what came this way before. */
  sendFirst(request: HostRequest): void {
    this.#urgent.push(request);
    this.#flushSoon();
  }

  /** Takes no more requests, lets the host answer those that it has, and ends it within a second. */
  end(reason: string): Promise<string> {
    if (this.#isOpen) {
      this.#isOpen = false;
      this.#endedFor ??= reason;
      this.#returnUnsent();
      this.#pipe.end();
      this.#endSoon();
    }
    return this.ended;
  }

  /** Ends it at once. */
  kill(reason: string): Promise<string> {
    this.#isOpen = false;
    this.#endedFor ??= reason;
    this.#child.kill("SIGKILL");
    return this.ended;
  }

  #flushSoon(): void {
    if (this.#flushIsDue) return;
    this.#flushIsDue = true;
    setImmediate(() => {
      this.#flushIsDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#isOpen && this.#batches.length < BATCHES_IN_FLIGHT) {
      if (this.#batches[0]?.requests[0]?.travelsAlone === true) return;
      const requests = this.#nextBatch();
      if (requests.length === 0) return;
      const firstId = this.#nextId;
      for (const { op, payload } of requests) {
        this.#writer.add({ id: this.#nextId, code: op, payload });
        this.#nextId = (this.#nextId + 1) >>> 0;
      }
      this.#batches.push({ firstId, requests, answered: 0 });
      if (this.#batches.length === 1) this.#watchOldest();
      const frame = this.#writer.take();
      this.#pipe.write(frame, () => frame.fill(0));
    }
  }

  #nextBatch(): HostRequest[] {
    const source = this.#urgent.length > 0 ? this.#urgent : this.#queue;
    const [first] = source;
    if (!first) return [];
    if (first.travelsAlone) return this.#batches.length === 0 ? source.splice(0, 1) : [];
    let count = 0;
    let bytes = 0;
    for (const request of source) {
      bytes += itemBytes(request.payload);
      if (count === BATCH_REQUESTS || (bytes > BATCH_BYTES && count > 0)) break;
      if (request.travelsAlone || request.deadline !== first.deadline) break;
      count += 1;
    }
    return source.splice(0, count);
  }

  #receive(chunk: Buffer): void {
    let answers: Answer[];
    try {
      answers = this.#reader.push(chunk).flatMap(answersIn);
    } catch {
      void this.kill("sent what cannot be read");
      return;
    }
    for (const { id, result } of answers) this.#settle(id, result);
    this.#watchOldest();
    this.#flush();
  }

  #settle(id: number, result: Answer["result"]): void {
    const batch = this.#batches[0];
    const request = batch?.requests[batch.answered];
    if (!batch || !request || id !== (batch.firstId + batch.answered) >>> 0) {
      void this.kill("answered what it was not asked");
      return;
    }
    batch.answered += 1;
    if (batch.answered === batch.requests.length) this.#batches.shift();
    if (result instanceof Error) request.failed(result);
    else request.answered(result);
  }

  /** The host has made progress, or begins: the oldest request in flight has all of its time from now. */
  #watchOldest(): void {
    const oldest = this.#batches[0]?.requests[0];
    if (!oldest) return;
    this.#dueMs = performance.now() + this.#options.deadlinesMs[oldest.deadline];
    if (!this.#watchdog || this.#dueMs < this.#looksMs) this.#lookWhenDue();
  }

  /** The timer is not set anew for each batch: it looks again where there was progress meanwhile. */
  #lookWhenDue(): void {
    clearTimeout(this.#watchdog);
    this.#looksMs = this.#dueMs;
    this.#watchdog = setTimeout(() => this.#look(), this.#dueMs - performance.now());
  }

  #look(): void {
    this.#watchdog = undefined;
    if (this.#batches.length === 0) return;
    if (performance.now() < this.#dueMs) return this.#lookWhenDue();
    // Where the event loop was busy itself, the answer may be there, unread: it is read before this.
    setImmediate(() => {
      if (this.#batches.length === 0 || this.#watchdog) return;
      void this.kill("did not answer in time and was ended");
    });
  }

  #endSoon(): void {
    this.#isOpen = false;
    this.#endTimer ??= setTimeout(() => void this.kill("did not end by itself"), END_WITHIN_MS);
  }

  async #untilEnded(): Promise<string> {
    const child = this.#child;
    const closed = once(child, "close").catch(() => {});
    let how: string;
    try {
      const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
      how = signal === null ? `ended with status ${code}` : `was ended by ${signal}`;
      // The pipe may still hold answers. It stays open where a module has left a process behind.
      const patience = new AbortController();
      await Promise.race([closed, systemClock.sleep(LAST_WORDS_MS, patience.signal)]);
      patience.abort();
    } catch (error) {
      how = `could not be started: ${(error as Error).message}`;
    }
    this.#isOpen = false;
    clearTimeout(this.#watchdog);
    clearTimeout(this.#endTimer);
    this.#pipe.destroy();
    const inFlight = this.#batches.flatMap(({ requests, answered }) => requests.slice(answered));
    this.#batches = [];
    for (const request of inFlight) request.lost(true);
    this.#returnUnsent();
    return this.#endedFor ?? how;
  }

  #returnUnsent(): void {
    const unsent = [...this.#urgent, ...this.#queue];
    this.#urgent = [];
    this.#queue = [];
    for (const request of unsent) request.lost(false);
  }
}

function spawnHost({ entry, environment }: HostProcessOptions): ChildProcess {
  const node = [process.execPath, "--disable-sigusr1", fileURLToPath(entry)];
  const child = spawn("/bin/sh", ["-c", SHELL, ...node], {
    env: { ...environment },
    // What a module prints goes to the daemon's stderr: its stdout may be somebody's data.
    stdio: ["ignore", 2, 2, "pipe"],
  });
  // Without a file descriptor to spare there is no process, and no pipe, whatever the declared types say.
  const { stdio } = child as { readonly stdio?: ChildProcess["stdio"] };
  if (stdio) return child;
  child.on("error", () => {});
  throw new Failure("unit-unreachable", "no file descriptor is left for a unit host");
}

interface Answer {
  readonly id: number;
  readonly result: Uint8Array | HostError;
}

/** Results are copies, each of its own, and the frame is wiped. */
function answersIn(frame: Buffer): Answer[] {
  const answers = itemsOf(frame).map(({ id, code, payload }) => ({
    id,
    result: code === STATUS.ok ? new Uint8Array(payload) : errorIn(code, payload),
  }));
  frame.fill(0);
  return answers;
}
