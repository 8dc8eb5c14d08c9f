import { AsyncLocalStorage } from "node:async_hooks";
import type { AuditDraft, Touched } from "./audit-draft.ts";
import { CLAVIGER } from "../unit/watch-units.ts";

/**
 * Who acts, and in which request: what the records of mutations and register commands say of their author. It travels
 * with the call and not through the arguments of every operation (docs/decisions/0008-who-acts.md). Without one it is
 * the service itself that acts.
 */
export interface Acting {
  readonly request: string;
  /** Empty, as the name, until it is proved who acts: a sign-in proves it while it is done. */
  principalId: string;
  principal: string;
  /** The route. */
  readonly operation: string;
  readonly touched: Touched;
  /** How many records of what was done are durable already: of mutations, and of commands before they were given. */
  recorded: number;
}

const acting = new AsyncLocalStorage<Acting>();

/** Runs `act` on behalf of `who`. */
export function actAs<Result>(who: Acting, act: () => Promise<Result>): Promise<Result> {
  return acting.run(who, act);
}

export function whoActs(): Acting | undefined {
  return acting.getStore();
}

/** The members of a record that say who acts; `event` names what the service does when it acts by itself. */
export function author(event: string): Omit<AuditDraft, "atMs" | "outcome"> {
  const who = whoActs();
  if (!who) return { operation: event, principal: CLAVIGER };
  const { operation, request, principalId, principal, touched } = who;
  return { ...touched, operation, request, ...(principalId !== "" && { principalId, principal }) };
}
