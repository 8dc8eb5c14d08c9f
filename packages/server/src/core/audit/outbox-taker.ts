import type { AuditLog, AuditStore } from "../ports/audit-log.ts";

const PAGE_ROWS = 500;

export interface TakerPorts {
  readonly store: Pick<AuditStore, "listOutbox" | "dropOutbox">;
  readonly log: Pick<AuditLog, "takeOver">;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Brings records from the outbox of the main store into the audit log: after every transaction that wrote one, at start
 * for what a crash has left, and when the log can be written again. The log takes each once; only then the row is
 * dropped, so a crash in between leaves a row that is taken over again and changes nothing.
 */
export class OutboxTaker {
  readonly #ports: TakerPorts;
  #waiting: Waiter[] = [];
  #running: Promise<void> | undefined;

  constructor(ports: TakerPorts) {
    this.#ports = ports;
  }

  /** Resolves when everything that the outbox holds now is durable in the log. @throws Failure `audit-unavailable`. */
  taken(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Takes over in the background. What fails is tried again at the next call. */
  wake(): void {
    this.taken().catch(() => undefined);
  }

  /** Resolves when no row is on its way any more. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting.splice(0);
      try {
        await this.#pass(() => {
          for (const { resolve } of waiting) resolve();
        });
      } catch (error) {
        // Those who were answered before the rows were dropped do not hear of it: the next pass drops them.
        for (const { reject } of waiting) reject(error);
      }
    }
    this.#running = undefined;
  }

  async #pass(whenDurable: () => void): Promise<void> {
    const { store, log } = this.#ports;
    let after = 0;
    for (;;) {
      const rows = await store.listOutbox({ after, limit: PAGE_ROWS });
      const last = rows.at(-1);
      if (last) await log.takeOver(rows);
      if (rows.length < PAGE_ROWS) whenDurable();
      if (!last) return;
      after = last.id;
      await store.dropOutbox({ ids: rows.map(({ id }) => id) });
      if (rows.length < PAGE_ROWS) return;
    }
  }
}
