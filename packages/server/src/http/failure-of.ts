import type { FastifyBaseLogger } from "fastify";
import { Failure, isFailure } from "../core/errors.ts";
import type { FailureCode } from "../core/errors.ts";

/** What is said of a body that cannot be parsed. */
export const NOT_JSON = "The body is not JSON, or has a member that JSON here may not have.";

/** What Fastify itself refuses, as failures: code, sentence, and the part of the request at fault. */
const REFUSALS: Readonly<Record<string, readonly [FailureCode, string | undefined, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ["body-too-large", undefined, "body"],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    "invalid-request",
    "Bodies are JSON: send `content-type: application/json`.",
    "content-type",
  ],
  FST_ERR_CTP_INVALID_JSON_BODY: ["invalid-request", NOT_JSON, "body"],
  FST_ERR_CTP_EMPTY_JSON_BODY: [
    "invalid-request",
    "The body is empty, though its content type says JSON.",
    "body",
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    "invalid-request",
    "The body is not as long as `content-length` says.",
    "body",
  ],
  FST_ERR_BAD_URL: ["invalid-request", "The path is not well-formed.", "path"],
  FST_ERR_MAX_PARAM_LENGTH: ["invalid-request", "A part of the path is too long.", "path"],
};

/**
 * The failure to reply with for whatever was thrown: itself, if it is one; else what Fastify's refusal means; else
 * `internal`. Faults are logged here, with their stack; the reply repeats nothing of an error that is not a Failure.
 */
export function failureOf(error: unknown, log: FastifyBaseLogger): Failure {
  const failure = meaningOf(error);
  if (!isFailure(error)) {
    if (failure.code === "internal")
      log.error({ err: error }, "A request failed with an error that is no Failure.");
    return failure;
  }
  if (error.category === "internal") log.error({ err: error, code: error.code }, error.message);
  if (error.category === "unavailable") log.warn({ code: error.code }, error.message);
  return failure;
}

/** As `failureOf`, and nothing is logged. */
export function meaningOf(error: unknown): Failure {
  if (isFailure(error)) return error;
  const { code, statusCode } = (error ?? {}) as { readonly code?: unknown; readonly statusCode?: unknown };
  const refusal = typeof code === "string" ? REFUSALS[code] : undefined;
  if (refusal !== undefined) return new Failure(refusal[0], refusal[1], { field: refusal[2] });
  // The client went away while its body was being read: nobody receives this reply.
  if (code === "ECONNRESET" && statusCode === 400)
    return new Failure("invalid-request", "The body ended early.");
  return new Failure("internal", undefined, { cause: error });
}
