import { readFileSync } from "node:fs";
import { Failure } from "../../core/errors.ts";

/** The first line of a PIN file, which the caller wipes. @throws Failure `unit-unreachable` when it cannot be read. */
export function readPin(path: string): Buffer {
  try {
    const content = readFileSync(path);
    const end = content.indexOf("\n");
    if (end < 0) return content;
    content.fill(0, end);
    return content.subarray(0, end);
  } catch (error) {
    throw new Failure("unit-unreachable", `the PIN file ${path} cannot be read`, { cause: error });
  }
}
