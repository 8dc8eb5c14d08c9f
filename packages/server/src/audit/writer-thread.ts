import { randomUUID } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { entryText } from "@claviger/audit";
import type { HeadRef } from "@claviger/audit";
import { isFailure } from "../core/errors.ts";
import type { ChainHead, NewRecord } from "./audit-database.ts";
import { AuditDatabase } from "./audit-database.ts";
import { ownTask } from "./disk-patience.ts";
import { DiskReserve } from "./disk-reserve.ts";

/**
 * The thread that owns the connection which writes the audit log. One message is one transaction; its wait for the disk
 * stays off the event loop. What fails closes the file; it is opened again until that works, and a record in it proves
 * it. A file that no longer has the last head that was durable is another one: a new chain begins, which names that head.
 */
export interface WriterSettings {
  readonly path: string;
  readonly reservePath: string;
  readonly reserveBytes: number;
  /** UUID of the data folder. */
  readonly node: string;
  /** The last head that was durable, where another thread of this process wrote before. */
  readonly known?: ChainHead | undefined;
}

export type WriterCall =
  | { readonly id: number; readonly do: "append"; readonly records: readonly NewRecord[] }
  /** Records as `time<TAB>rest`, one a line: one string costs less on its way than many objects. */
  | { readonly id: number; readonly do: "append lines"; readonly lines: string }
  | { readonly id: number; readonly do: "head"; readonly head: NewHead }
  | { readonly id: number; readonly do: "set base"; readonly base: HeadRef }
  | { readonly id: number; readonly do: "forget"; readonly upTo: HeadRef; readonly limit: number };

export interface NewHead {
  readonly chain: string;
  readonly seq: number;
  readonly text: string;
  readonly signature: Uint8Array;
}

export type WriterMessage =
  | {
      readonly id: number;
      readonly head: ChainHead;
      /** The log lives on its reserve: nothing else is free on the disk. */
      readonly low: boolean;
      readonly count: number;
    }
  | { readonly id: number; readonly failed: string }
  /** The number of the thread, where the system says it: the first message. */
  | { readonly event: "started"; readonly task: string | undefined }
  | { readonly event: "opened"; readonly opened: Opened }
  | { readonly event: "low"; readonly low: boolean }
  | { readonly event: "broken"; readonly reason: string; readonly code: string | undefined };

export interface Opened {
  readonly head: ChainHead;
  readonly low: boolean;
  /**
   * `started`: a chain begins that follows the one before; `first`: there was no log yet; `continued`: after a fault;
   * `replaced`: the file is not the one that was written before.
   */
  readonly how: "started" | "first" | "continued" | "replaced";
  /** Head of the chain before. */
  readonly previous: HeadRef | undefined;
  /** `continued`: the call that had failed, and was durable in the end. */
  readonly durable: number | undefined;
}

const TICK_MS = 200;

class Writer {
  readonly #port: NonNullable<typeof parentPort>;
  readonly #settings: WriterSettings;
  readonly #reserve: DiskReserve;
  #db: AuditDatabase | undefined;
  /** The last head that was durable in this process. */
  #known: ChainHead | undefined;
  #low = false;
  #reason = "";
  /** The call that failed last, in whose transaction it is not known what happened. */
  #doubtful: number | undefined;

  constructor(port: NonNullable<typeof parentPort>, settings: WriterSettings) {
    this.#port = port;
    this.#settings = settings;
    this.#known = settings.known;
    this.#reserve = new DiskReserve(settings.reservePath, settings.reserveBytes);
  }

  start(): void {
    this.#port.postMessage({ event: "started", task: ownTask() } satisfies WriterMessage);
    const tick = setInterval(() => this.#tick(), TICK_MS);
    this.#port.on("message", (call: WriterCall | "close") => {
      if (call !== "close") return this.#port.postMessage(this.#answer(call));
      clearInterval(tick);
      this.#db?.close();
      this.#port.close();
    });
    this.#open();
  }

  #answer(call: WriterCall): WriterMessage {
    const { id } = call;
    if (!this.#db) return { id, failed: this.#reason };
    try {
      const count = this.#do(this.#db, call);
      const { head } = this.#db;
      if (!head) throw new Error("the log has no chain");
      this.#known = head;
      return { id, head, low: this.#low, count };
    } catch (error) {
      this.#doubtful = id;
      this.#fall(error);
      return { id, failed: this.#reason };
    }
  }

  #do(db: AuditDatabase, call: WriterCall): number {
    try {
      return this.#write(db, call);
    } catch (error) {
      if (!isFull(error) || !this.#reserve.isHeld) throw error;
      this.#reserve.giveUp();
      this.#low = true;
      return this.#write(db, call);
    }
  }

  #write(db: AuditDatabase, call: WriterCall): number {
    const count = run(db, call);
    if (!db.isInPlace()) throw new Error("the file of the audit log was removed or replaced");
    return count;
  }

  #fall(error: unknown): void {
    this.#reason = describe(error);
    const code = isFailure(error) ? error.code : undefined;
    try {
      this.#db?.close();
    } catch (closing) {
      // A connection that cannot even be closed is left to the end of the process.
      this.#reason += `; ${describe(closing)}`;
    }
    this.#db = undefined;
    this.#port.postMessage({ event: "broken", reason: this.#reason, code } satisfies WriterMessage);
  }

  #tick(): void {
    if (!this.#db) return this.#open();
    if (!this.#db.isInPlace())
      return this.#fall(new Error("the file of the audit log was removed or replaced"));
    if (this.#low && this.#reserve.take()) {
      this.#low = false;
      this.#port.postMessage({ event: "low", low: false } satisfies WriterMessage);
    }
  }

  #open(): void {
    let db: AuditDatabase | undefined;
    try {
      db = new AuditDatabase(this.#settings.path);
      const opened = this.#continue(db);
      if (!db.isInPlace()) throw new Error("the file of the audit log was removed or replaced");
      this.#db = db;
      this.#known = opened.head;
      this.#port.postMessage({ event: "opened", opened } satisfies WriterMessage);
    } catch (error) {
      this.#db = db;
      this.#fall(error);
    }
  }

  #continue(db: AuditDatabase): Opened {
    const found = db.head;
    const known = this.#known;
    this.#low = !this.#reserve.take();
    if (known && found?.chain === known.chain && db.contains(known)) {
      const note = `written again after: ${this.#reason}`;
      const rest = entryText({ operation: "audit.resumed", outcome: "allowed", note });
      const record = { id: 0, do: "append", records: [{ atMs: Date.now(), rest }] } as const;
      this.#do(db, record);
      const durable = found.seq > known.seq ? this.#doubtful : undefined;
      return { head: headOf(db), low: this.#low, how: "continued", previous: undefined, durable };
    }
    const previous = known ?? found;
    const how = known ? "replaced" : found ? "started" : "first";
    const note = known
      ? "this file is not the one that held the head that is named"
      : found
        ? "start"
        : "start of an empty log";
    db.begin(`${this.#settings.node}/${randomUUID()}`, {
      atMs: Date.now(),
      previous: previous && { chain: previous.chain, seq: previous.seq, hash: previous.hash },
      note,
    });
    return { head: headOf(db), low: this.#low, how, previous, durable: undefined };
  }
}

function run(db: AuditDatabase, call: WriterCall): number {
  switch (call.do) {
    case "append":
      db.append(call.records);
      return call.records.length;
    case "append lines": {
      const records = call.lines.split("\n").map((line) => {
        const tab = line.indexOf("\t");
        return { atMs: Number(line.slice(0, tab)), rest: line.slice(tab + 1) };
      });
      db.append(records);
      return records.length;
    }
    case "head":
      db.addHead(call.head);
      return 1;
    case "set base":
      db.setBase(call.base);
      return 1;
    case "forget":
      return db.forget(call.upTo, call.limit);
  }
}

function headOf(db: AuditDatabase): ChainHead {
  const { head } = db;
  if (!head) throw new Error("the log has no chain");
  return head;
}

/** SQLITE_FULL, or what node:fs says for it. */
function isFull(error: unknown): boolean {
  const { errcode, code } = (error ?? {}) as { readonly errcode?: unknown; readonly code?: unknown };
  return (typeof errcode === "number" && (errcode & 0xff) === 13) || code === "ENOSPC";
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

if (parentPort) new Writer(parentPort, workerData as WriterSettings).start();
