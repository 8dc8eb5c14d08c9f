import { Worker } from "node:worker_threads";
import type { HeadRef } from "@claviger/audit";
import type { AnchorKeeper } from "../core/audit/anchor-keeper.ts";
import type { ClaimedHead } from "../core/audit/kept-anchors.ts";
import type { Clock } from "../core/clock.ts";
import { publicKeysPem } from "../core/crypto/signing-key.ts";
import { Failure } from "../core/errors.ts";
import type {
  AuditFaultFound,
  AuditFilter,
  AuditPage,
  AuditKeyRecord,
  AuditReader,
  AuditVerified,
} from "../core/ports/audit-log.ts";
import type { OutboxTaker } from "../core/audit/outbox-taker.ts";
import type { ChainedLog } from "./chained-log.ts";
import type { ExportedKey } from "./export-log.ts";
import { cursorOf, cursorText } from "./export-log.ts";
import type {
  ReaderAnswer,
  ReaderCallName,
  ReaderInput,
  ReaderResult,
  ReaderSettings,
} from "./reader-thread.ts";

/** Says of a head that is not there which unit has anchored it. */
function namingUnit(fault: AuditFaultFound, heads: readonly ClaimedHead[]): AuditFaultFound {
  const by = heads.find(({ chain, seq }) => fault.detail.includes(`${seq} of chain ${chain} `))?.unit;
  if (fault.what !== "known-head-missing" || by === undefined) return fault;
  return { ...fault, detail: `${fault.detail} Crypto unit ${by} has anchored it.` };
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (failure: Failure) => void;
}

export interface LogReaderPorts {
  readonly log: Pick<ChainedLog, "head" | "signed" | "forgetUpTo">;
  readonly taker: Pick<OutboxTaker, "taken" | "idle">;
  readonly clock: Clock;
  /** What crypto units have anchored. */
  readonly anchors: Pick<AnchorKeeper, "claims">;
}

/** The readers' side of the audit log. Its thread is started by the first call. */
export class LogReader implements AuditReader {
  readonly #settings: ReaderSettings;
  readonly #ports: LogReaderPorts;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #lastId = 0;
  #signers: () => readonly AuditKeyRecord[] = () => [];

  constructor(settings: ReaderSettings, ports: LogReaderPorts) {
    this.#settings = settings;
    this.#ports = ports;
  }

  /** Whose signatures count in verification, and which public keys go along with an export. */
  trust(signers: () => readonly AuditKeyRecord[]): void {
    this.#signers = signers;
  }

  list(filter: AuditFilter): Promise<AuditPage> {
    return this.#call("list", filter);
  }

  async verify(): Promise<AuditVerified> {
    const { log, anchors } = this.#ports;
    const { heads, faults } = await anchors.claims();
    const knownHeads = log.head ? [...heads, log.head] : heads;
    const verified = await this.#call("verify", { keys: this.#keys(), knownHeads });
    const found = [...faults, ...verified.faults.map((fault) => namingUnit(fault, heads))];
    return { ...verified, faults: found, faultCount: verified.faultCount + faults.length };
  }

  /** Those of these heads that the log has neither as a record, nor before the signed head behind which it begins. */
  async missing<Head extends HeadRef>(heads: readonly Head[]): Promise<readonly Head[]> {
    const found = await this.#call("missing", {
      keys: this.#keys(),
      heads: heads.map(({ chain, seq, hash }) => ({ chain, seq, hash })),
    });
    return heads.filter((_head, i) => found.includes(i));
  }

  async exportPage({ after, limit }: { after: string | undefined; limit: number }) {
    const cursor = after === undefined ? undefined : cursorOf(after);
    if (after !== undefined && !cursor)
      throw new Failure("invalid-request", "`after` is not the `next` of a page", { field: "after" });
    if (!cursor) await this.#ports.log.signed();
    const { lines, next } = await this.#call("export", { cursor, limit, keys: this.#keys() });
    return { lines, next: next && cursorText(next) };
  }

  async archive({ before }: { before: string | undefined }) {
    const { log, taker, clock } = this.#ports;
    // What is archived must not be taken over again: its row of the outbox is gone before.
    await taker.taken();
    await taker.idle();
    await log.signed();
    const archived = await this.#call("archive", {
      before: new Date(before ?? clock.nowMs()).toISOString(),
      keys: this.#keys(),
    });
    for (const head of archived?.upTo ?? []) await log.forgetUpTo(head);
    return { file: archived?.file, records: archived?.records ?? 0 };
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #keys(): readonly ExportedKey[] {
    return this.#signers().map((key) => ({ fingerprint: key.fingerprint, pem: publicKeysPem([key]) }));
  }

  #call<N extends ReaderCallName>(name: N, input: ReaderInput<N>): Promise<ReaderResult<N>> {
    const worker = (this.#worker ??= this.#start());
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject });
      worker.postMessage({ id, name, input });
    });
  }

  #start(): Worker {
    const file = import.meta.url.endsWith(".ts") ? "./reader-thread.ts" : "./reader-thread.js";
    const worker = new Worker(new URL(file, import.meta.url), {
      workerData: this.#settings,
      name: "claviger-audit-reader",
    });
    worker.on("message", (answer: ReaderAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ("result" in answer) waiting?.resolve(answer.result);
      else waiting?.reject(new Failure(answer.failure.code, answer.failure.detail));
    });
    worker.on("error", (error: Error) => this.#abandon(error.message));
    worker.on("exit", () => this.#abandon("its thread ended"));
    return worker;
  }

  /** Fails what waits; the next call starts another thread. */
  #abandon(reason: string): void {
    this.#worker = undefined;
    for (const { reject } of this.#waiting.values())
      reject(new Failure("audit-unavailable", `The audit log cannot be read: ${reason}.`));
    this.#waiting.clear();
  }
}
