import { parentPort, workerData } from "node:worker_threads";
import { ClavigerClient, ClavigerError } from "@claviger/sdk";
import { decryptAll } from "./decrypt-all.ts";
import { inLanes } from "./lanes.ts";
import type { AnswerMessage, CommandMessage, Commands, LoadSettings } from "./messages.ts";
import { openLoop } from "./schedule.ts";
import { countFailed, countServed, newTally } from "./tally.ts";
import type { Tally } from "./tally.ts";
import { Traffic, WrongPlaintext } from "./traffic.ts";

const POPULATE_LANES = 16;
/** Requests under way at most, as the connections of an application are bounded: what is due beyond them waits here. */
const UNDER_WAY_LIMIT = 100;
const PROGRESS_STEP = 50;

/** A load thread: clients with an event loop of their own, so that what measures does not wait for what is measured. */
class LoadThread {
  readonly #settings: LoadSettings;
  readonly #traffic: Traffic;
  #stopping = new AbortController();
  readonly #tallies = new Map<string, Tally>();
  #phase = newTally();
  #loop: Promise<void> | undefined;

  constructor(settings: LoadSettings) {
    this.#settings = settings;
    this.#traffic = new Traffic(new ClavigerClient(settings), settings.name);
  }

  async populate({ projects }: Commands["populate"]["input"]): Promise<null> {
    const step = progressSteps();
    let left = projects;
    await inLanes(POPULATE_LANES, async () => {
      if (left === 0) return false;
      left -= 1;
      await this.#traffic.populateOne();
      step();
      return true;
    });
    step.flush();
    return null;
  }

  async closedLoop({
    seconds,
    lanes,
  }: Commands["closedLoop"]["input"]): Promise<Commands["closedLoop"]["result"]> {
    const tally = newTally();
    const endMs = performance.now() + seconds * 1000;
    await inLanes(lanes, async () => {
      if (performance.now() >= endMs) return false;
      await this.#count(tally, performance.now());
      return true;
    });
    return { tally };
  }

  startOpenLoop({ perSecond }: Commands["startOpenLoop"]["input"]): Promise<null> {
    this.#stopping = new AbortController();
    const arrive = (dueMs: number) => this.#count(this.#phase, dueMs);
    this.#loop = openLoop(perSecond, UNDER_WAY_LIMIT, arrive, this.#stopping.signal);
    return Promise.resolve(null);
  }

  enterPhase({ phase, keepAll }: Commands["enterPhase"]["input"]): Promise<null> {
    this.#traffic.keepAll = keepAll;
    this.#phase = this.#tallies.get(phase) ?? newTally();
    this.#tallies.set(phase, this.#phase);
    return Promise.resolve(null);
  }

  async stopOpenLoop(): Promise<Commands["stopOpenLoop"]["result"]> {
    this.#stopping.abort();
    await this.#loop;
    return { tallies: this.#tallies };
  }

  async decryptAll({ address }: Commands["decryptAll"]["input"]): Promise<Commands["decryptAll"]["result"]> {
    using client = new ClavigerClient({ ...this.#settings, address });
    const step = progressSteps();
    const reckoning = await decryptAll(client, this.#traffic.ledger, step);
    step.flush();
    return reckoning;
  }

  async #count(tally: Tally, dueMs: number): Promise<void> {
    try {
      await this.#traffic.requestAny();
      countServed(tally, performance.now() - dueMs);
    } catch (error) {
      if (!(error instanceof ClavigerError || error instanceof WrongPlaintext)) throw error;
      countFailed(tally, error.code);
    }
  }
}

/** Counts, and reports every now and then. */
function progressSteps(): (() => void) & { flush(): void } {
  let done = 0;
  const flush = () => {
    if (done > 0) answer({ progress: done });
    done = 0;
  };
  return Object.assign(
    () => {
      done += 1;
      if (done >= PROGRESS_STEP) flush();
    },
    { flush },
  );
}

function answer(message: AnswerMessage): void {
  parentPort?.postMessage(message);
}

function run(
  thread: LoadThread,
  message: CommandMessage,
): Promise<Commands[CommandMessage["name"]]["result"]> {
  switch (message.name) {
    case "populate":
      return thread.populate(message.input);
    case "closedLoop":
      return thread.closedLoop(message.input);
    case "startOpenLoop":
      return thread.startOpenLoop(message.input);
    case "enterPhase":
      return thread.enterPhase(message.input);
    case "stopOpenLoop":
      return thread.stopOpenLoop();
    case "decryptAll":
      return thread.decryptAll(message.input);
  }
}

const thread = new LoadThread(workerData as LoadSettings);
parentPort?.on("message", (message: CommandMessage) => {
  const { id } = message;
  run(thread, message).then(
    (result) => answer({ id, result }),
    (error: unknown) => answer({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});
