import { Worker } from "node:worker_threads";
import { Failure } from "../core/errors.ts";
import type { ScriptAnswer, ScriptCall, ScriptThreadSettings } from "./script-thread.ts";
import type { ScriptName } from "./scripts.ts";

interface Waiting {
  readonly call: ScriptCall;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

const FIRST_DELAY_MS = 50;
const LONGEST_DELAY_MS = 5_000;

/**
 * The caller's side of a script thread: calls are done and answered in order. If the thread dies, the one call that it
 * may have begun fails with `store-failed`, and another thread is started, which does the rest and what comes meanwhile.
 * The call fails only when the dead thread has really ended and has let go of its connection: what it did is done then,
 * and what it did not do will never be. A thread that dies without having answered anything is followed by the next one
 * after a while, each time twice as long; if it could not even open the database, all calls fail.
 */
export class ScriptRunner {
  readonly #settings: ScriptThreadSettings;
  readonly #waiting = new Map<number, Waiting>();
  readonly #closed = Promise.withResolvers<void>();
  /** Of the thread that is to come. */
  #unsent: Waiting[] = [];
  #worker: Worker | undefined;
  #restart: NodeJS.Timeout | undefined;
  #lastId = 0;
  /** Threads in a row that ended without an answer. */
  #barren = 0;
  #closing = false;

  constructor(settings: ScriptThreadSettings) {
    this.#settings = settings;
    this.#start();
  }

  run(name: ScriptName, input: unknown): Promise<unknown> {
    if (this.#closing) return Promise.reject(new Failure("store-failed", "the store is closed"));
    return new Promise((resolve, reject) => {
      const call: ScriptCall = { id: ++this.#lastId, name, input };
      if (this.#worker) this.#send(this.#worker, { call, resolve, reject });
      else this.#unsent.push({ call, resolve, reject });
    });
  }

  /** Calls that were made before are answered first. */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#worker) this.#worker.postMessage("close");
    else this.#end();
    await this.#closed.promise;
  }

  #start(): void {
    const file = import.meta.url.endsWith(".ts") ? "./script-thread.ts" : "./script-thread.js";
    const worker = new Worker(new URL(file, import.meta.url), { workerData: this.#settings });
    let ready = false;
    let answers = 0;
    let cause: unknown = new Error("the store thread has ended");
    worker.on("message", (message: ScriptAnswer | "ready") => {
      ready = true;
      if (message === "ready") return;
      answers += 1;
      this.#settle(message);
    });
    worker.on("error", (error) => (cause = error));
    worker.once("exit", () => {
      this.#barren = answers > 0 ? 0 : this.#barren + 1;
      this.#ended(ready ? 1 : Infinity, cause);
    });
    this.#worker = worker;
    for (const unsent of this.#unsent.splice(0)) this.#send(worker, unsent);
  }

  #send(worker: Worker, waiting: Waiting): void {
    this.#waiting.set(waiting.call.id, waiting);
    worker.postMessage(waiting.call);
  }

  /** The oldest call without an answer is the only one that can have begun: answers come before the next call is read. */
  #ended(failing: number, cause: unknown): void {
    this.#worker = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#unsent = waiting.slice(failing);
    for (const { reject } of waiting.slice(0, failing))
      reject(new Failure("store-failed", undefined, { cause }));
    if (this.#closing) this.#end();
    else this.#restart = setTimeout(() => this.#start(), delayMs(this.#barren));
  }

  #end(): void {
    clearTimeout(this.#restart);
    for (const { reject } of this.#unsent.splice(0))
      reject(new Failure("store-failed", "the store is closed"));
    this.#closed.resolve();
  }

  #settle(answer: ScriptAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ("result" in answer) waiting?.resolve(answer.result);
    else
      waiting?.reject(
        new Failure(answer.failure.code, answer.failure.detail, { cause: answer.failure.cause }),
      );
  }
}

function delayMs(barren: number): number {
  return barren === 0 ? 0 : Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (barren - 1));
}
