import { Failure } from "../errors.ts";
import type { AuditLog } from "../ports/audit-log.ts";
import type { AuditDraft } from "./audit-draft.ts";

/**
 * Stands for the audit log until it is open: units and the database are looked at before it is, so that a start that is
 * refused leaves it as it was. Until then nothing can be recorded but what may come later.
 */
export class LogToCome implements Pick<AuditLog, "append" | "appendLater"> {
  #log: AuditLog | undefined;
  readonly #later: AuditDraft[] = [];

  open(log: AuditLog): void {
    this.#log = log;
    for (const draft of this.#later.splice(0)) log.appendLater(draft);
  }

  async append(draft: AuditDraft): Promise<void> {
    if (!this.#log) throw new Failure("audit-unavailable", "The audit log is not open yet.");
    await this.#log.append(draft);
  }

  appendLater(draft: AuditDraft): void {
    if (this.#log) this.#log.appendLater(draft);
    else this.#later.push(draft);
  }
}
