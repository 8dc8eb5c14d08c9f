import { Worker } from "node:worker_threads";
import { Failure } from "../core/errors.ts";
import type { ScriptAnswer, ScriptCall, ScriptThreadSettings } from "./script-thread.ts";
import type { ScriptName } from "./scripts.ts";

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** The caller's side of a script thread: calls are answered in order; if the thread dies, all that wait fail. */
export class ScriptRunner {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #closed: Promise<void>;
  #dead: Error | undefined;

  constructor(settings: ScriptThreadSettings) {
    const file = import.meta.url.endsWith(".ts") ? "./script-thread.ts" : "./script-thread.js";
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData: settings });
    this.#worker.on("message", (answer: ScriptAnswer) => this.#settle(answer));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#closed = new Promise((resolve) => {
      this.#worker.once("exit", () => {
        this.#fail(new Error("the store thread has ended"));
        resolve();
      });
    });
  }

  run(name: ScriptName, input: unknown): Promise<unknown> {
    if (this.#dead) return Promise.reject(new Failure("store-failed", undefined, { cause: this.#dead }));
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, name, input } satisfies ScriptCall);
    });
  }

  async close(): Promise<void> {
    this.#worker.postMessage("close");
    await this.#closed;
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

  #fail(error: unknown): void {
    this.#dead ??= error instanceof Error ? error : new Error(String(error));
    for (const { reject } of this.#waiting.values())
      reject(new Failure("store-failed", undefined, { cause: error }));
    this.#waiting.clear();
  }
}
