import { readFileSync } from "node:fs";
import { Failure } from "../../core/errors.ts";
import type { GroupName } from "../../core/ids.ts";

/**
 * The note of which token a unit is: JSON, for its owner only. It holds no secret, for a PIN stands in a file of its own
 * that the URI names; but whoever could change it would choose where that PIN goes.
 */
export interface Attachment {
  readonly group: GroupName;
  /** RFC 7512, with `module-path` and `pin-source`. */
  readonly uri: string;
  /** Whether new master keys may be copied to other units: said when the unit is created, and so for good. */
  readonly isClonable: boolean;
}

const FORMAT = 1;

export function encodeAttachment({ group, uri, isClonable }: Attachment): string {
  return `${JSON.stringify({ format: FORMAT, group, uri, clonable: isClonable }, null, 2)}\n`;
}

/** @throws Failure `unit-missing`, `unit-unreachable` when it cannot be read, `unit-file-tampered` when it is no attachment. */
export function readAttachment(path: string): Attachment {
  const written: unknown = parsed(path, textOf(path));
  if (!isWritten(written)) throw damaged(path);
  const { group, uri, clonable } = written;
  return { group, uri, isClonable: clonable };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new Failure("unit-missing", `there is no attachment ${path}`, { cause: error });
    throw new Failure("unit-unreachable", `the attachment ${path} cannot be read`, { cause: error });
  }
}

function parsed(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw damaged(path, error);
  }
}

interface Written {
  readonly format: typeof FORMAT;
  readonly group: GroupName;
  readonly uri: string;
  readonly clonable: boolean;
}

function isWritten(value: unknown): value is Written {
  if (typeof value !== "object" || value === null) return false;
  const { format, group, uri, clonable } = value as Readonly<Record<string, unknown>>;
  const isNamed = typeof group === "string" && typeof uri === "string";
  return format === FORMAT && isNamed && typeof clonable === "boolean";
}

function damaged(path: string, cause?: unknown): Failure {
  return new Failure("unit-file-tampered", `${path} is not the attachment of a token`, { cause });
}
