import type { AuditDraft } from "../audit/audit-draft.ts";

/** The record that a mutation writes in its own transaction, if it takes effect. Without one it writes none. */
export interface Audited {
  readonly audit?: AuditDraft | undefined;
}

export interface Page {
  readonly limit: number;
  /** `next` of the page before. */
  readonly after: string | undefined;
}
export interface PageOf<Item> {
  readonly items: readonly Item[];
  readonly next: string | undefined;
}
