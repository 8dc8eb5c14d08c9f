import { pino } from "pino";
import type { DestinationStream, Logger, LoggerOptions } from "pino";
import type { LogLevel } from "./config-keys.ts";

export type { Logger } from "pino";

/** Members that are never written, however deep they stand in what is logged (to the depth below). */
const SECRET_MEMBERS = ["authorization", "plaintext", "ciphertext", "token", "pin"];
const REDACTED_DEPTH = 4;

const OPTIONS = {
  base: { pid: process.pid },
  timestamp: pino.stdTimeFunctions.isoTime, // RFC 3339, UTC
  formatters: { level: (label) => ({ level: label }) },
  redact: { paths: redactedPaths(), censor: "[secret]" },
  // Not pino's serializer, which also writes whatever members libraries hang on their errors: parameters, rows, input.
  serializers: { err: serializeError },
} satisfies LoggerOptions;

/** The log: JSON lines on stderr, written before the call returns, so that a crash loses none. Tests give a stream. */
export function createLog(
  level: LogLevel,
  stream: DestinationStream = pino.destination({ fd: 2, sync: true }),
): Logger {
  return pino({ ...OPTIONS, level }, stream);
}

function redactedPaths(): string[] {
  return SECRET_MEMBERS.flatMap((member) =>
    Array.from({ length: REDACTED_DEPTH }, (_, depth) =>
      [...Array<string>(depth).fill("*"), member].join("."),
    ),
  );
}

interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly code?: string | number;
  readonly stack?: string;
  readonly cause?: LoggedError;
}

function serializeError(error: unknown): LoggedError {
  return describeError(error, 0);
}

/** At most five causes deep, for a chain may be circular. */
function describeError(error: unknown, depth: number): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, message: "What was thrown is no Error." };
  const { code } = error as { readonly code?: unknown };
  return {
    type: error.name,
    message: error.message,
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    ...(error.stack === undefined ? {} : { stack: error.stack }),
    ...(error.cause === undefined || depth === 5 ? {} : { cause: describeError(error.cause, depth + 1) }),
  };
}
