import type { ErrorCategory, ErrorReply } from "@claviger/api";
import type { TransportError, TransportFault, TransportReply } from "./transport.ts";

/** What a ClavigerError is made from; the fields are those of the error. */
export interface ClavigerErrorFields {
  readonly code: string;
  readonly category: ErrorCategory;
  readonly message: string;
  readonly advice: string;
  readonly field?: string | undefined;
  readonly requestId?: string | undefined;
  readonly status?: number | undefined;
}

/**
 * A refusal of the service, or a failure to reach it; the only error that calls of the SDK reject with, but for an
 * aborted signal (its reason) and a wrong use of the SDK (TypeError).
 */
export class ClavigerError extends Error {
  /** Stable: a code of docs/errors.md, or one of ClientFailureCode where the service did not speak. */
  readonly code: string;
  /** What kind of failure it is; `blocked` and `unavailable` may be over when their cause is gone. */
  readonly category: ErrorCategory;
  /** One sentence: what to do now. */
  readonly advice: string;
  /** The input at fault, where the service names one. */
  readonly field: string | null;
  /** Finds the request in the log of the service; null where the service did not speak. */
  readonly requestId: string | null;
  /** HTTP status; null where there is no reply. */
  readonly status: number | null;

  constructor(fields: ClavigerErrorFields, cause?: unknown) {
    super(fields.message, cause === undefined ? undefined : { cause });
    this.name = "ClavigerError";
    this.code = fields.code;
    this.category = fields.category;
    this.advice = fields.advice;
    this.field = fields.field ?? null;
    this.requestId = fields.requestId ?? null;
    this.status = fields.status ?? null;
  }

  /** The shape in which the API itself shows errors. */
  toJSON() {
    const { code, category, message, advice, field, requestId, status } = this;
    return { error: { code, category, message, advice, field, requestId, status } };
  }
}

/** What the SDK itself can fail at: code → category and advice. */
const CLIENT_FAILURES = {
  "server-unreachable": {
    category: "unavailable",
    advice: "Check that the service runs and that its address is right; nothing was sent.",
  },
  "server-not-trusted": {
    category: "unavailable",
    advice:
      "Call it by a name in its certificate, and give the CA that issued that (`tls.ca`; --ca or CLAVIGER_CA for claviger); nothing was sent.",
  },
  "connection-lost": {
    category: "unavailable",
    advice: "The request may have been done: look before you repeat it.",
  },
  "request-timeout": {
    category: "unavailable",
    advice: "The request may have been done: look before you repeat it.",
  },
  "reply-too-large": { category: "internal", advice: "Ask for less: a smaller page." },
  "reply-not-understood": {
    category: "internal",
    advice: "Check that the address is that of Claviger, and what stands between.",
  },
  "gateway-failed": {
    category: "unavailable",
    advice: "See why the proxy before the service does not reach it.",
  },
  "change-blocked": { category: "blocked", advice: "Remove what is named; the change goes on by itself." },
  "approval-pending": { category: "blocked", advice: "Let another principal run `claviger change approve`." },
  "change-ended": { category: "conflict", advice: "See its history with `claviger change show`." },
} as const satisfies Record<string, { category: ErrorCategory; advice: string }>;

/** Codes of failures that the SDK finds, not the service. */
export type ClientFailureCode = keyof typeof CLIENT_FAILURES;

/** A failure that the SDK found. */
export function clientFailure(
  code: ClientFailureCode,
  message: string,
  cause?: unknown,
  status?: number,
): ClavigerError {
  return new ClavigerError({ code, ...CLIENT_FAILURES[code], message, status }, cause);
}

const CODE_OF_FAULT = {
  refused: "server-unreachable",
  unreachable: "server-unreachable",
  untrusted: "server-not-trusted",
  lost: "connection-lost",
  timeout: "request-timeout",
  "too-large": "reply-too-large",
  garbled: "reply-not-understood",
} as const satisfies Record<TransportFault, ClientFailureCode>;

const SAID_OF_FAULT = {
  refused: "The service cannot be reached",
  unreachable: "The service cannot be reached",
  untrusted: "The service does not prove that it is the one that was meant",
  lost: "The connection broke before the reply was complete",
  timeout: "The service did not answer in time",
  "too-large": "The reply is too large",
  garbled: "The reply is not HTTP",
} as const satisfies Record<TransportFault, string>;

/** The failure that a transport reported. */
export function ofTransport(error: TransportError, address: string): ClavigerError {
  const message = `${SAID_OF_FAULT[error.fault]}: ${address}: ${error.message}.`;
  return clientFailure(CODE_OF_FAULT[error.fault], message, error);
}

/** The refusal in a reply whose status is not 2xx. A reply that is not Claviger's own comes from something in between. */
export function ofReply(reply: TransportReply): ClavigerError {
  const refusal = refusalIn(reply.body);
  if (refusal !== null) return new ClavigerError({ ...refusal.error, status: reply.status });
  const failedBetween = reply.status >= 502 && reply.status <= 504;
  return clientFailure(
    failedBetween ? "gateway-failed" : "reply-not-understood",
    `Something other than Claviger answered, with HTTP status ${reply.status}.`,
    undefined,
    reply.status,
  );
}

function refusalIn(body: string): ErrorReply | null {
  const parsed = parseOrNull(body);
  return isErrorReply(parsed) ? parsed : null;
}

function parseOrNull(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function isErrorReply(value: unknown): value is ErrorReply {
  if (typeof value !== "object" || value === null || !("error" in value)) return false;
  const { error } = value;
  if (typeof error !== "object" || error === null) return false;
  return (["code", "category", "message", "advice", "requestId"] as const).every(
    (name) => typeof (error as Record<string, unknown>)[name] === "string",
  );
}
