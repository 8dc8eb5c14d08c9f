import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { auditKey } from "@claviger/audit";
import type { HeadRef, Verification } from "@claviger/audit";
import { Failure, isFailure } from "../core/errors.ts";
import type { FailureCode } from "../core/errors.ts";
import type { AuditFilter, AuditPage } from "../core/ports/audit-log.ts";
import type { Archived } from "./archive-log.ts";
import { archiveLog } from "./archive-log.ts";
import type { ExportCursor, ExportedKey } from "./export-log.ts";
import { exportPage } from "./export-log.ts";
import { missingHeads } from "./missing-heads.ts";
import { listRecords } from "./list-records.ts";
import { verifyLog } from "./verify-log.ts";

/** The thread that reads the audit log: verification of a large one takes its time, and keeps nobody from writing. */
export interface ReaderSettings {
  readonly path: string;
  readonly archive: string;
}

interface Calls {
  readonly list: { readonly input: AuditFilter; readonly result: AuditPage };
  readonly verify: {
    readonly input: { readonly keys: readonly ExportedKey[]; readonly knownHeads: readonly HeadRef[] };
    readonly result: Verification;
  };
  readonly missing: {
    readonly input: { readonly keys: readonly ExportedKey[]; readonly heads: readonly HeadRef[] };
    readonly result: readonly number[];
  };
  readonly export: {
    readonly input: {
      readonly cursor: ExportCursor | undefined;
      readonly limit: number;
      readonly keys: readonly ExportedKey[];
    };
    readonly result: ReturnType<typeof exportPage>;
  };
  readonly archive: {
    readonly input: { readonly before: string; readonly keys: readonly ExportedKey[] };
    readonly result: Archived | undefined;
  };
}

export type ReaderCallName = keyof Calls;
export type ReaderInput<N extends ReaderCallName> = Calls[N]["input"];
export type ReaderResult<N extends ReaderCallName> = Calls[N]["result"];

export interface ReaderCall<N extends ReaderCallName = ReaderCallName> {
  readonly id: number;
  readonly name: N;
  readonly input: ReaderInput<N>;
}

export type ReaderAnswer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: { readonly code: FailureCode; readonly detail: string } };

type Handlers = {
  readonly [N in ReaderCallName]: (
    settings: ReaderSettings,
    input: ReaderInput<N>,
  ) => ReaderResult<N> | Promise<ReaderResult<N>>;
};

const trusting = (keys: readonly ExportedKey[]) => keys.map(({ pem }) => auditKey(pem));

const HANDLERS: Handlers = {
  list: ({ path }, filter) => reading(path, (db) => listRecords(db, filter)),
  verify: ({ path }, { keys, knownHeads }) => verifyLog(path, { trusted: trusting(keys), knownHeads }),
  missing: ({ path }, { keys, heads }) => reading(path, (db) => missingHeads(db, heads, trusting(keys))),
  export: ({ path }, page) => reading(path, (db) => exportPage(db, page)),
  archive: ({ path, archive }, { before, keys }) =>
    archiveLog(path, { folder: archive, before, keys, verify: { trusted: trusting(keys) } }),
};

function reading<Result>(path: string, read: (db: DatabaseSync) => Result): Result {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    db.exec("BEGIN");
    return read(db);
  } finally {
    db.close();
  }
}

if (parentPort) serve(parentPort, workerData as ReaderSettings);

function serve(port: NonNullable<typeof parentPort>, settings: ReaderSettings): void {
  port.on("message", (call: ReaderCall) => {
    void answer(settings, call).then((said) => port.postMessage(said));
  });
}

async function answer(settings: ReaderSettings, call: ReaderCall): Promise<ReaderAnswer> {
  try {
    const handle = HANDLERS[call.name] as (settings: ReaderSettings, input: unknown) => unknown;
    return { id: call.id, result: await handle(settings, call.input) };
  } catch (error) {
    const failure = isFailure(error)
      ? error
      : new Failure("audit-unavailable", `The audit log cannot be read: ${String(error)}`);
    return { id: call.id, failure: { code: failure.code, detail: failure.message } };
  }
}
