import type { Principal } from "../access/principal.ts";
import { isFailure } from "../errors.ts";
import type { FailureCode } from "../errors.ts";
import type { AuditLog } from "../ports/audit-log.ts";
import type { Clock } from "../clock.ts";
import type { Acting } from "./acting.ts";
import { actAs } from "./acting.ts";
import type { AuditDraft, Touched } from "./audit-draft.ts";
import type { OutboxTaker } from "./outbox-taker.ts";

/** A request of a protocol, from when it is known which one it is. */
export interface RecordedRequest {
  readonly request: string;
  readonly operation: string;
  /** Undefined while it is not proved who calls. */
  readonly principal: Pick<Principal, "id" | "name"> | undefined;
  readonly touched: Touched;
}

/** Says who calls. @throws Failure `audit-unavailable` before anything is done. */
export type Proved = (caller: Pick<Principal, "id" | "name" | "grants">) => void;

export interface RequestLogPorts {
  readonly log: Pick<AuditLog, "append" | "appendLater" | "admit">;
  readonly taker: Pick<OutboxTaker, "taken">;
  readonly clock: Clock;
}

/**
 * What a protocol calls so that no reply leaves before its record is durable.
 * - What only reads or uses keys is recorded when it is done or refused, and the reply waits.
 * - What has changed something has its record from the transaction of the change, and the reply waits until the log has
 *   taken it over. Where the log fails in between, record and change are durable together all the same: the reply
 *   says what was done, and the log takes the record over later. So a 503 always means that nothing was done.
 */
export class RequestLog {
  readonly #ports: RequestLogPorts;

  constructor(ports: RequestLogPorts) {
    this.#ports = ports;
  }

  /** @throws Failure `audit-unavailable` before anything is done. */
  admit(principal: Pick<Principal, "grants">): void {
    this.#ports.log.admit(principal);
  }

  /** Records what came of a request that changes nothing. @throws Failure `audit-unavailable`: the reply is withheld. */
  done(record: RecordedRequest, outcome: "allowed" | FailureCode): Promise<void> {
    return this.#ports.log.append(this.#draftOf(record, outcome));
  }

  /**
   * Runs a request that may change something, on behalf of its caller, and records what came of it. A request that has
   * no caller yet says who it is as soon as that is proved, before it changes anything.
   */
  async changing<Reply>(asked: RecordedRequest, run: (proved: Proved) => Promise<Reply>): Promise<Reply> {
    let record = asked;
    const { request, operation, principal, touched } = record;
    const who: Acting = {
      request,
      operation,
      touched,
      principalId: principal?.id ?? "",
      principal: principal?.name ?? "",
      recorded: 0,
    };
    const proved: Proved = (caller) => {
      record = { ...record, principal: caller };
      who.principalId = caller.id;
      who.principal = caller.name;
      this.admit(caller);
    };
    let reply: Reply;
    try {
      reply = await actAs(who, () => run(proved));
    } catch (error) {
      await this.#changed(record, isFailure(error) ? error.code : "internal", who);
      throw error;
    }
    await this.#changed(record, "allowed", who);
    return reply;
  }

  async #changed(record: RecordedRequest, outcome: "allowed" | FailureCode, who: Acting): Promise<void> {
    if (who.recorded === 0) {
      if (outcome !== "audit-unavailable") await this.done(record, outcome);
      return;
    }
    try {
      await this.#ports.taker.taken();
      if (outcome !== "allowed") await this.done(record, outcome);
    } catch (error) {
      if (!isFailure(error)) throw error;
      if (outcome !== "allowed") this.#ports.log.appendLater(this.#draftOf(record, outcome));
    }
  }

  #draftOf(record: RecordedRequest, outcome: AuditDraft["outcome"]): AuditDraft {
    const { request, operation, principal, touched } = record;
    const atMs = this.#ports.clock.nowMs();
    return {
      ...touched,
      atMs,
      operation,
      outcome,
      request,
      principalId: principal?.id,
      principal: principal?.name,
    };
  }
}
