import { CommanderError } from "commander";
import type { ErrorCategory } from "@claviger/sdk";
import { ClavigerError } from "@claviger/sdk";

/** Exit statuses; scripts rely on them. */
const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  precondition: 3,
  conflict: 4,
  blocked: 5,
  unreachable: 6,
  /** 128 + SIGINT, as shells do it. */
  interrupted: 130,
} as const;

const EXIT_OF_CATEGORY = {
  invalid: EXIT.failed,
  unauthenticated: EXIT.failed,
  forbidden: EXIT.failed,
  absent: EXIT.failed,
  internal: EXIT.failed,
  precondition: EXIT.precondition,
  conflict: EXIT.conflict,
  blocked: EXIT.blocked,
  throttled: EXIT.blocked,
  unavailable: EXIT.unreachable,
} as const satisfies Record<ErrorCategory, number>;

/** The command line or the settings cannot be meant; nothing was sent. */
export class UsageError extends Error {
  readonly advice: string;

  constructor(message: string, advice: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "UsageError";
    this.advice = advice;
  }
}

/** The user pressed Ctrl-C while something was waited for. */
export class Interrupted extends Error {
  constructor() {
    super("Stopped waiting; the change goes on.");
    this.name = "Interrupted";
  }
}

/** What is said on stderr when a command fails. */
export interface Report {
  readonly code: string;
  readonly category: ErrorCategory;
  readonly message: string;
  readonly advice: string;
  readonly field: string | null;
  readonly requestId: string | null;
  readonly status: number | null;
}

export function exitStatusOf(error: unknown): number {
  if (error instanceof ClavigerError) return EXIT_OF_CATEGORY[error.category];
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof Interrupted) return EXIT.interrupted;
  return EXIT.failed;
}

/** What to say of the error; null for what is no error (help was asked for) or has said it all (the help itself). */
export function reportOf(error: unknown, helpPage: string): Report | null {
  const none = { field: null, requestId: null, status: null };
  if (error instanceof ClavigerError) return error.toJSON().error;
  if (error instanceof UsageError) {
    return { code: "usage", category: "invalid", message: error.message, advice: error.advice, ...none };
  }
  if (error instanceof CommanderError) {
    if (error.exitCode === 0 || error.code === "commander.help") return null;
    const message = error.message.replace(/^error: /, "");
    return { code: "usage", category: "invalid", message, advice: `See \`${helpPage}\`.`, ...none };
  }
  if (error instanceof Interrupted) {
    const advice = "See where it stands with `claviger change show`.";
    return { code: "interrupted", category: "unavailable", message: error.message, advice, ...none };
  }
  if (isFileError(error)) {
    return {
      code: "file",
      category: "invalid",
      message: error.message,
      advice: "Check the file and its folder.",
      ...none,
    };
  }
  const message =
    error instanceof Error ? `Unexpected: ${error.stack ?? error.message}` : `Unexpected: ${String(error)}`;
  return {
    code: "internal",
    category: "internal",
    message,
    advice: "Report it: this is a defect of claviger.",
    ...none,
  };
}

/** An error of the file system, as Node throws it: the sentence is good enough for people. */
function isFileError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error;
}
