import type { ErrorReply } from "@claviger/api";
import { FAILURES } from "../../core/errors.ts";
import type { Failure, FailureCategory, FailureCode } from "../../core/errors.ts";

/** HTTP status of each category of failure. */
export const HTTP_STATUS = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  absent: 404,
  conflict: 409,
  precondition: 412,
  blocked: 423,
  throttled: 429,
  unavailable: 503,
  internal: 500,
} as const satisfies Record<FailureCategory, number>;

/** Codes for which HTTP has a status of their own. */
const STATUS_OF_CODE: Partial<Record<FailureCode, number>> = {
  "body-too-large": 413,
};

/** Headers that a status asks for: RFC 9110 §11.6.1 and §10.2.3 (in seconds). */
const HEADERS: Partial<Record<FailureCategory, Readonly<Record<string, string>>>> = {
  unauthenticated: { "www-authenticate": "Bearer" },
  throttled: { "retry-after": "1" },
  unavailable: { "retry-after": "1" },
};

export function httpStatus(code: FailureCode): number {
  return STATUS_OF_CODE[code] ?? HTTP_STATUS[FAILURES[code].category];
}

/** The reply that the native API gives for a failure. */
export function presentFailure(
  failure: Failure,
  requestId: string,
): {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorReply;
} {
  const { code, category, message, advice, field } = failure;
  return {
    status: httpStatus(code),
    headers: HEADERS[category] ?? {},
    body: {
      error: { code, category, message, advice, ...(field === undefined ? {} : { field }), requestId },
    },
  };
}
