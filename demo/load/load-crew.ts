import { Worker } from "node:worker_threads";
import type { Reckoning } from "./decrypt-all.ts";
import type { AnswerMessage, CommandName, Commands, LoadSettings } from "./messages.ts";
import { sumTallies } from "./tally.ts";
import type { Tally } from "./tally.ts";

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/** One load thread, from outside. */
class LoadMember {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onProgress: (done: number) => void;
  #lastId = 0;

  constructor(settings: LoadSettings, onProgress: (done: number) => void) {
    this.#onProgress = onProgress;
    this.#worker = new Worker(new URL("./load-thread.ts", import.meta.url), { workerData: settings });
    this.#worker.on("message", (message: AnswerMessage) => this.#take(message));
    this.#worker.on("error", (error) =>
      this.#fail(error instanceof Error ? error : new Error(String(error))),
    );
    this.#worker.on("exit", () => this.#fail(new Error("a load thread ended")));
  }

  do<N extends CommandName>(name: N, input: Commands[N]["input"]): Promise<Commands[N]["result"]> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, name, input });
    });
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #take(message: AnswerMessage): void {
    if ("progress" in message) return this.#onProgress(message.progress);
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if ("error" in message) waiting?.reject(new Error(message.error));
    else waiting?.resolve(message.result as never);
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

/** Threads that send traffic together. Disposing of it ends them. */
export class LoadCrew implements AsyncDisposable {
  readonly #members: readonly LoadMember[];
  #progress = 0;
  #onProgress: (done: number) => void = () => undefined;

  constructor(threads: number, server: Omit<LoadSettings, "name">) {
    const onProgress = (done: number) => {
      this.#progress += done;
      this.#onProgress(this.#progress);
    };
    this.#members = Array.from(
      { length: threads },
      (_, index) => new LoadMember({ ...server, name: String(index + 1) }, onProgress),
    );
  }

  /** Creates projects, each with a key and a ciphertext; `onProgress` is told how many there are. */
  async populate(projects: number, onProgress: (done: number) => void): Promise<void> {
    this.#reportTo(onProgress);
    const share = Math.floor(projects / this.#members.length);
    const rest = projects % this.#members.length;
    await Promise.all(
      this.#members.map((member, index) =>
        member.do("populate", { projects: share + (index < rest ? 1 : 0) }),
      ),
    );
  }

  async closedLoop(seconds: number, lanes: number): Promise<Tally> {
    const each = Math.ceil(lanes / this.#members.length);
    const done = await this.#all("closedLoop", { seconds, lanes: each });
    return sumTallies(done.map(({ tally }) => tally));
  }

  async startOpenLoop(perSecond: number): Promise<void> {
    await this.#all("startOpenLoop", { perSecond: perSecond / this.#members.length });
  }

  async enterPhase(phase: string, keepAll: boolean): Promise<void> {
    await this.#all("enterPhase", { phase, keepAll });
  }

  /** The tally of each phase, when everything is answered. */
  async stopOpenLoop(): Promise<(phase: string) => Tally> {
    const done = await this.#all("stopOpenLoop", null);
    return (phase) => sumTallies(done.flatMap(({ tallies }) => tallies.get(phase) ?? []));
  }

  /** Decrypts every ciphertext that was kept; `onProgress` is told how many are done. */
  async decryptAll(address: string, onProgress: (done: number) => void): Promise<Reckoning> {
    this.#reportTo(onProgress);
    const done = await this.#all("decryptAll", { address });
    const sum = (pick: (reckoning: Reckoning) => number) =>
      done.reduce((total, reckoning) => total + pick(reckoning), 0);
    return {
      ciphertexts: sum(({ ciphertexts }) => ciphertexts),
      keys: sum(({ keys }) => keys),
      lostKeys: sum(({ lostKeys }) => lostKeys),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map((member) => member.end()));
  }

  #reportTo(onProgress: (done: number) => void): void {
    this.#progress = 0;
    this.#onProgress = onProgress;
  }

  #all<N extends CommandName>(name: N, input: Commands[N]["input"]): Promise<Commands[N]["result"][]> {
    return Promise.all(this.#members.map((member) => member.do(name, input)));
  }
}
