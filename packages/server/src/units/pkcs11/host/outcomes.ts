/**
 * How a request to a unit host can end, one row for each status of a reply. The child throws the classes below, the
 * parent gets them again; what the callers of the pool see is at `failureOf`. A message may go to users and into the log:
 * no PIN, plaintext or wrapped blob is in it.
 */
import { Failure, FAILURES } from "../../../core/errors.ts";
import type { FailureCode } from "../../../core/errors.ts";

export const STATUS = { ok: 0, refused: 1, unknownHandle: 2, trouble: 3, internal: 4 } as const;

/** The request was understood and is refused: it would be again. A refused start (a wrong PIN) stops all hosts. */
export class Refusal extends Error {
  /** A `FailureCode`, or nothing that callers could know. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "Refusal";
    this.code = code;
  }
}

/** The host does not know a number for an opened object, having begun anew since: open it there again, and repeat. */
export class UnknownHandle extends Error {
  constructor(message = "the unit host does not know this handle") {
    super(message);
    this.name = "UnknownHandle";
  }
}

/**
 * Where the same request may succeed after trouble with the token: `here`, because the host has mended its session;
 * `elsewhere`, because it could not; `never`, because it is not the session that is at fault.
 */
export type RetryPlace = "here" | "elsewhere" | "never";

/** The token failed at the request, which may have been done or not. */
export class TokenTrouble extends Error {
  readonly retry: RetryPlace;

  constructor(message: string, retry: RetryPlace) {
    super(message);
    this.name = "TokenTrouble";
    this.retry = retry;
  }
}

export type HostError = Refusal | UnknownHandle | TokenTrouble | Failure;

interface ErrorText {
  readonly message: string;
  readonly code?: string;
  readonly retry?: string;
}

/** Child: the reply for what a handler has thrown. Of an unexpected error only the message leaves, never its stack. */
export function replyFor(error: unknown): { readonly status: number; readonly payload: Uint8Array } {
  const message = error instanceof Error ? error.message : "something was thrown that is no error";
  if (error instanceof Refusal) return reply(STATUS.refused, { code: error.code, message });
  if (error instanceof UnknownHandle) return reply(STATUS.unknownHandle, { message });
  if (error instanceof TokenTrouble) return reply(STATUS.trouble, { message, retry: error.retry });
  return reply(STATUS.internal, { message });
}

function reply(status: number, text: ErrorText): { readonly status: number; readonly payload: Uint8Array } {
  return { status, payload: Buffer.from(JSON.stringify(text)) };
}

/** Parent: the error that a reply tells of, whose status is not `ok`. */
export function errorIn(status: number, payload: Uint8Array): HostError {
  const { message, code = "", retry } = JSON.parse(Buffer.from(payload).toString()) as ErrorText;
  switch (status) {
    case STATUS.refused:
      return new Refusal(code, message);
    case STATUS.unknownHandle:
      return new UnknownHandle(message);
    case STATUS.trouble:
      return new TokenTrouble(message, retry === "here" || retry === "elsewhere" ? retry : "never");
    default:
      return new Failure("internal", undefined, { cause: new Error(message) });
  }
}

/** What the callers of the pool get: the failure that a refusal names, and `unit-unreachable` for trouble. */
export function failureOf(error: Refusal | TokenTrouble): Failure {
  if (error instanceof TokenTrouble) return new Failure("unit-unreachable", error.message);
  if (isFailureCode(error.code)) return new Failure(error.code, error.message);
  return new Failure("internal", undefined, { cause: error });
}

function isFailureCode(code: string): code is FailureCode {
  return Object.hasOwn(FAILURES, code);
}
