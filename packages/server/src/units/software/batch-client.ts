import { Worker } from "node:worker_threads";
import { Failure } from "../../core/errors.ts";
import type { BatchAnswerMessage, BatchCall, BatchRequestMessage } from "./batch-call.ts";
import { runBatchCall } from "./batch-call.ts";
import type { BatchOutcome } from "./kek-batch.ts";

/** Runs batches, off the event loop ("own") or, for tests and tools that do nothing else meanwhile, on it ("inline"). */
export type BatchThreadMode = "own" | "inline";

export interface BatchClient {
  /** @throws Failure `unit-unreachable` when the thread died under the call, which may be repeated. */
  run(call: BatchCall): Promise<BatchOutcome>;
  close(): Promise<void>;
}

export function createBatchClient(mode: BatchThreadMode): BatchClient {
  return mode === "own" ? new ThreadedBatches() : inlineBatches;
}

const inlineBatches: BatchClient = {
  run: (call) => Promise.resolve().then(() => runBatchCall(call)),
  close: () => Promise.resolve(),
};

interface Waiting {
  resolve(outcome: BatchOutcome): void;
  reject(failure: Failure): void;
}

/**
 * One worker thread, started at once, because a start takes a processor for a while and the first batch of a change
 * comes while clients are served; and again by the first call after it died. It keeps the process alive only while
 * calls wait.
 */
class ThreadedBatches implements BatchClient {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined = this.#start();
  #lastId = 0;
  #closed = false;

  run(call: BatchCall): Promise<BatchOutcome> {
    if (this.#closed) return Promise.reject(new Failure("unit-unreachable", "the unit is closed"));
    const worker = (this.#worker ??= this.#start());
    const message: BatchRequestMessage = { id: ++this.#lastId, call };
    return new Promise((resolve, reject) => {
      this.#waiting.set(message.id, { resolve, reject });
      worker.ref();
      worker.postMessage(message, [call.rows.buffer]);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    if (!worker) return;
    this.#abandon(worker, undefined);
    await worker.terminate();
  }

  #start(): Worker {
    const entry = import.meta.url.endsWith(".ts") ? "./batch-thread.ts" : "./batch-thread.js";
    const worker = new Worker(new URL(entry, import.meta.url), { name: "claviger-batch" });
    worker.on("message", ({ id, outcome }: BatchAnswerMessage) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) worker.unref();
      waiting?.resolve(outcome);
    });
    worker.on("error", (error) => this.#abandon(worker, error));
    worker.on("exit", () => this.#abandon(worker, undefined));
    worker.unref();
    return worker;
  }

  /** Fails what waits for `worker`; the next call starts another. */
  #abandon(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const call of waiting) {
      call.reject(new Failure("unit-unreachable", "the batch thread of the unit ended", { cause }));
    }
  }
}
