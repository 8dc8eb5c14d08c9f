import type { AuditArchiveView, AuditKeyView, AuditRecordView, AuditVerificationView } from "@claviger/api";
import type { CallInput, CallOptions } from "./call.ts";
import type { Caller } from "./caller.ts";
import { WHOLE_PAGE } from "./caller.ts";
import type { Page } from "./pages.ts";
import { eachItem } from "./pages.ts";

/** Which records: members that are given must all fit. */
export type AuditQuery = NonNullable<CallInput<"listAudit">["query"]>;

/** The audit log: who did what, allowed or refused; hash-chained and signed. */
export class Audit {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** One page of records, the newest first unless `order` says otherwise. It may be shorter than `limit` and yet have a `next`. */
  list(query: AuditQuery = {}, options?: CallOptions): Promise<Page<AuditRecordView>> {
    return this.#caller.call("listAudit", { query }, options);
  }

  /** Every record that fits, the newest first. */
  all(
    query: Omit<AuditQuery, "order" | "limit" | "after"> = {},
  ): AsyncGenerator<AuditRecordView, void, undefined> {
    return eachItem((after) => this.list({ ...query, limit: WHOLE_PAGE, after }));
  }

  /** Has the service verify its whole log. An auditor who does not trust it verifies an export. */
  verify(): Promise<AuditVerificationView> {
    return this.#caller.call("verifyAudit", {});
  }

  /** The log as it is now, in whole lines of text, some hundred kilobytes at a time. */
  async *export(): AsyncGenerator<string, void, undefined> {
    let after: string | undefined;
    do {
      const page = await this.#caller.call("exportAudit", { query: { after } });
      yield page.lines;
      after = page.next ?? undefined;
    } while (after !== undefined);
  }

  /** Public keys that have ever signed the log. */
  async keys(): Promise<AuditKeyView[]> {
    return (await this.#caller.call("listAuditKeys", {})).items;
  }

  /** Has the log signed by a new key from now on, which the key before introduces in the log. */
  rotateKey(): Promise<AuditKeyView> {
    return this.#caller.call("rotateAuditKey", {});
  }

  /** Moves what was signed before a time (RFC 3339; default now) into a file of the archive beside the log. */
  archive(input: { readonly before?: string | undefined } = {}): Promise<AuditArchiveView> {
    return this.#caller.call("archiveAudit", { body: input });
  }
}
