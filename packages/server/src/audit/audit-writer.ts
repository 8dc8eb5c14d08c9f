import { Worker } from "node:worker_threads";
import { entryText } from "@claviger/audit";
import type { HeadRef } from "@claviger/audit";
import type { AuditDraft, OutboxRow } from "../core/audit/audit-draft.ts";
import type { Clock } from "../core/clock.ts";
import { Failure } from "../core/errors.ts";
import type { FailureCode } from "../core/errors.ts";
import type { ChainHead } from "./audit-database.ts";
import { BatchPace } from "./batch-pace.ts";
import { DiskPatience, SLICE_MS } from "./disk-patience.ts";
import type { NewHead, Opened, WriterCall, WriterMessage, WriterSettings } from "./writer-thread.ts";

/** A reply whose record the disk has had so long to keep is withheld, so that it is refused within a second. */
const DEADLINE_MS = 700;
/** A disk that does not answer does not keep the service from ending. */
const CLOSE_WITHIN_MS = 3_000;
/** How long a thread that has died is not started again. */
const RESTART_MS = 200;
/** So many records wait for a log that cannot be written; of more, only their number is recorded. */
const LATER_LIMIT = 10_000;
/** Records of one transaction. */
const BATCH_RECORDS = 1_000;

interface Waiting {
  readonly draft: AuditDraft;
  /** What the disk had of our patience when it came. */
  readonly spentMs: number;
  readonly resolve: () => void;
  readonly reject: (failure: Failure) => void;
}

interface Call {
  readonly spentMs: number;
  /** Of a group commit: who waits for it, and what is in it besides. */
  readonly group: Group | undefined;
  readonly done: (answer: { readonly head: ChainHead; readonly count: number }) => void;
  readonly failed: (reason: string) => void;
}

interface Group {
  readonly batch: readonly Waiting[];
  readonly later: readonly AuditDraft[];
}

export interface WriterEvents {
  /** The file was opened, at the start or after a fault. */
  opened(opened: Opened): void;
  /** The disk answers again. */
  recovered(): void;
  /** Nothing can be written, for this reason. */
  broken(reason: string, code?: string): void;
  /** The log lives on its reserve, or no longer. */
  low(low: boolean): void;
  /** The head has moved, durably. */
  moved(head: ChainHead): void;
}

/** What the log says of a call that failed, and whose record has become durable nevertheless. */
const WITHHELD = "reply.withheld";

/**
 * The event loop's side of the writing thread: group commit. Records that come while a transaction waits for the disk
 * make up the next one. Whoever has waited too long is refused; if its record becomes durable after all, another one
 * says that the reply was withheld.
 */
export class AuditWriter {
  readonly #clock: Clock;
  readonly #events: WriterEvents;
  readonly #settings: WriterSettings;
  #worker: Worker;
  #queue: Waiting[] = [];
  /** Records of nobody who waits: they go first. */
  #later: AuditDraft[] = [];
  readonly #calls = new Map<number, Call>();
  /** Group commits that failed, by their call, until it is known whether one was durable. */
  readonly #doubtful = new Map<number, Group>();
  #lastId = 0;
  #known: ChainHead | undefined;
  #appending = false;
  #isDue = false;
  readonly #pace = new BatchPace();
  #timer: NodeJS.Timeout | undefined;
  readonly #patience = new DiskPatience();
  /** The writing thread, for the system. */
  #task: string | undefined;
  /** Why nothing can be written now. */
  #trouble: string | undefined = "it is being opened";
  #stalled = false;
  #refused = 0;
  #forgotten = 0;
  #closing = false;

  constructor(settings: WriterSettings, ports: { clock: Clock; events: WriterEvents }) {
    this.#settings = settings;
    this.#clock = ports.clock;
    this.#events = ports.events;
    this.#worker = this.#start();
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  append(draft: AuditDraft): Promise<void> {
    if (this.#trouble !== undefined) return Promise.reject(this.refusal());
    return new Promise((resolve, reject) => {
      this.#queue.push({ draft, spentMs: this.#patience.spentMs, resolve, reject });
      if (!this.#appending && this.#pace.isEnough(this.#queue.length)) this.#send();
      else this.#sendSoon();
    });
  }

  appendLater(draft: AuditDraft): void {
    if (this.#later.length < LATER_LIMIT) this.#later.push(draft);
    else this.#forgotten += 1;
    if (this.#trouble === undefined && !this.#appending) this.#send();
  }

  async takeOver(rows: readonly OutboxRow[]): Promise<void> {
    const records = rows.map(({ id, mark, draft }) => ({
      atMs: draft.atMs,
      rest: entryText(draft),
      mark,
      outbox: id,
    }));
    await this.#call({ do: "append", records });
  }

  async addHead(head: NewHead): Promise<void> {
    await this.#call({ do: "head", head });
  }

  async setBase(base: HeadRef): Promise<void> {
    await this.#call({ do: "set base", base });
  }

  async forget(upTo: HeadRef, limit: number): Promise<number> {
    return (await this.#call({ do: "forget", upTo, limit })).count;
  }

  /** Writes what waits, if that is possible, and ends the thread. */
  async close(): Promise<void> {
    while (this.#trouble === undefined && (this.#appending || this.#later.length + this.#queue.length > 0)) {
      if (!this.#appending) this.#send();
      await this.#clock.sleep(1);
    }
    this.#closing = true;
    clearTimeout(this.#timer);
    const ended = new Promise((resolve) => this.#worker.once("exit", resolve));
    this.#worker.postMessage("close");
    await Promise.race([ended, this.#clock.sleep(CLOSE_WITHIN_MS)]);
    await this.#worker.terminate();
  }

  #start(): Worker {
    const file = import.meta.url.endsWith(".ts") ? "./writer-thread.ts" : "./writer-thread.js";
    const worker = new Worker(new URL(file, import.meta.url), {
      workerData: { ...this.#settings, known: this.#known },
      name: "claviger-audit",
    });
    worker.on("message", (message: WriterMessage) => this.#hear(message));
    worker.on("error", (error: Error) => this.#break(`the thread of the audit log ended: ${error.message}`));
    worker.on("exit", () => {
      if (this.#closing || worker !== this.#worker) return;
      this.#break("the thread of the audit log ended");
      setTimeout(() => {
        if (!this.#closing) this.#worker = this.#start();
      }, RESTART_MS);
    });
    return worker;
  }

  #hear(message: WriterMessage): void {
    if ("event" in message) {
      if (message.event === "started") {
        this.#task = message.task;
        return;
      }
      if (message.event === "opened") return this.#resume(message.opened);
      if (message.event === "low") return this.#events.low(message.low);
      return this.#break(message.reason, message.code);
    }
    const call = this.#calls.get(message.id);
    this.#calls.delete(message.id);
    if ("failed" in message) return call?.failed(message.failed);
    this.#known = message.head;
    this.#events.low(message.low);
    this.#events.moved(message.head);
    if (this.#stalled) this.#recover(call);
    call?.done(message);
    this.#watch();
  }

  #call(call: WithoutId<WriterCall>): Promise<{ readonly head: ChainHead; readonly count: number }> {
    if (this.#trouble !== undefined) return Promise.reject(this.refusal());
    return new Promise((resolve, reject) => {
      this.#post(call, {
        spentMs: this.#patience.spentMs,
        group: undefined,
        done: resolve,
        failed: (reason) => reject(this.refusal(reason)),
      });
    });
  }

  #post(call: WithoutId<WriterCall>, waiting: Call): void {
    const id = ++this.#lastId;
    this.#calls.set(id, waiting);
    this.#worker.postMessage({ ...call, id });
    this.#watch();
  }

  /** At the end of a turn of the event loop, with all that came in it. */
  #sendSoon(): void {
    if (this.#appending || this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      if (this.#appending || this.#trouble !== undefined) return;
      const waiting = this.#queue.length;
      if (waiting === 0 || this.#pace.isDue(waiting, performance.now())) this.#send();
      else this.#sendSoon();
    });
  }

  #send(): void {
    const later = this.#later.splice(0, BATCH_RECORDS);
    const batch = this.#queue.splice(0, BATCH_RECORDS);
    if (later.length + batch.length === 0) return;
    this.#appending = true;
    const lines: string[] = [];
    for (const draft of later) lines.push(`${draft.atMs}\t${entryText(draft)}`);
    for (const { draft } of batch) lines.push(`${draft.atMs}\t${entryText(draft)}`);
    this.#post(
      { do: "append lines", lines: lines.join("\n") },
      {
        spentMs: batch[0]?.spentMs ?? this.#patience.spentMs,
        group: { batch, later },
        done: () => {
          this.#appending = false;
          this.#pace.written(batch.length, this.#queue.length);
          for (const { resolve } of batch) resolve();
          this.#sendSoon();
        },
        failed: (reason) => {
          this.#appending = false;
          for (const { reject } of batch) reject(this.refusal(reason));
        },
      },
    );
  }

  /** The disk has answered after the deadline: those who waited are gone, and the log is there again. */
  #recover(call: Call | undefined): void {
    this.#stalled = false;
    this.#trouble = undefined;
    this.#noteWithheld(call?.group?.batch ?? []);
    this.#noteRefused();
    this.#events.recovered();
    if (!this.#appending) this.#send();
  }

  /** Looks, as long as there are calls, whether the disk has had too long for one of them. */
  #watch(): void {
    if (this.#timer !== undefined || this.#calls.size === 0) return;
    this.#patience.begin();
    // What has been answered is heard before it is judged: messages come between timers and immediates.
    this.#timer = setTimeout(() => setImmediate(() => this.#look()), SLICE_MS);
  }

  #look(): void {
    this.#timer = undefined;
    this.#patience.end(this.#task);
    const latestMs = this.#patience.spentMs - DEADLINE_MS;
    if ([...this.#calls.values()].some(({ spentMs }) => spentMs <= latestMs)) this.#stall();
    else this.#watch();
  }

  /** Refuses all who wait. Their calls stay: what comes of them is noted when the disk answers. */
  #stall(): void {
    this.#stalled = true;
    this.#setTrouble("the disk does not answer");
    for (const { group, failed } of this.#calls.values()) {
      if (group) for (const { reject } of group.batch) reject(this.refusal());
      else failed("the disk does not answer");
    }
    this.#refuseQueue();
  }

  #break(reason: string, code?: string): void {
    this.#stalled = false;
    this.#setTrouble(reason, code);
    for (const [id, call] of this.#calls) {
      this.#calls.delete(id);
      if (call.group) this.#doubtful.set(id, call.group);
      call.failed(reason);
    }
    this.#appending = false;
    this.#refuseQueue();
  }

  #refuseQueue(): void {
    for (const { reject } of this.#queue.splice(0)) reject(this.refusal());
  }

  #setTrouble(reason: string, code?: string): void {
    const isNew = this.#trouble === undefined || this.#known === undefined;
    this.#trouble = reason;
    if (isNew) this.#events.broken(reason, code);
  }

  #resume(opened: Opened): void {
    this.#trouble = undefined;
    for (const [id, { batch, later }] of this.#doubtful) {
      if (id === opened.durable) this.#noteWithheld(batch);
      else this.#later.unshift(...later);
    }
    this.#doubtful.clear();
    this.#known = opened.head;
    this.#events.low(opened.low);
    this.#events.opened(opened);
    this.#noteRefused();
    this.#send();
  }

  #noteWithheld(batch: readonly Waiting[]): void {
    const outcome: FailureCode = "audit-unavailable";
    for (const { draft } of batch) {
      const { request, principalId, principal } = draft;
      const note = `the reply to ${draft.operation} was withheld, though its record was kept`;
      this.#later.push({
        atMs: this.#clock.nowMs(),
        operation: WITHHELD,
        outcome,
        request,
        principalId,
        principal,
        note,
      });
    }
  }

  #noteRefused(): void {
    if (this.#refused + this.#forgotten === 0) return;
    const forgotten = this.#forgotten === 0 ? "" : `; ${this.#forgotten} other records were not kept`;
    const note = `${this.#refused} requests were refused while the log could not be written${forgotten}`;
    this.#refused = 0;
    this.#forgotten = 0;
    this.#later.push({
      atMs: this.#clock.nowMs(),
      operation: "audit.refused",
      outcome: "audit-unavailable",
      note,
    });
  }

  /** What those are told who are refused; they are counted, and their number is recorded. */
  refusal(reason = this.#trouble): Failure {
    this.#refused += 1;
    return new Failure("audit-unavailable", `The audit log cannot be written: ${reason ?? "it failed"}.`);
  }
}

type WithoutId<Message> = Message extends { readonly id: number } ? Omit<Message, "id"> : never;
