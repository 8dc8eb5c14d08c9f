import { describe, expect, test } from "vitest";
import { isFailure } from "../errors.ts";
import type { KeyOperation, KeyState } from "./key-states.ts";
import { KEY_STATES, requireKeyState } from "./key-states.ts";

const STATES = Object.keys(KEY_STATES) as KeyState[];
const OPERATIONS = Object.keys(KEY_STATES.enabled) as KeyOperation[];
/** What uses the material of a key. */
const USES: readonly KeyOperation[] = [
  "encrypt",
  "decrypt",
  "generate-data-key",
  "sign",
  "verify",
  "export-public",
  "rotate",
];

function verdictOf(state: KeyState, operation: KeyOperation): string {
  try {
    requireKeyState({ state }, operation);
    return "allowed";
  } catch (error) {
    if (!isFailure(error)) throw error;
    return error.code;
  }
}

describe("states of a key", () => {
  test.each(STATES.flatMap((state) => OPERATIONS.map((operation) => [state, operation] as const)))(
    "%s × %s: as the table says",
    (state, operation) => {
      expect(verdictOf(state, operation)).toBe(KEY_STATES[state][operation]);
    },
  );

  test("only an enabled key is used, and each other state says why it is not", () => {
    const refusals = { disabled: "key-disabled", "pending-deletion": "key-pending-deletion" };
    const others = { "pending-import": "key-pending-import", destroyed: "key-destroyed" };
    for (const use of USES) {
      expect(verdictOf("enabled", use)).toBe("allowed");
      for (const [state, code] of Object.entries({ ...refusals, ...others }))
        expect(verdictOf(state as KeyState, use), `${state} × ${use}`).toBe(code);
    }
  });

  test("nothing leads out of destroyed", () => {
    for (const operation of OPERATIONS) expect(verdictOf("destroyed", operation)).toBe("key-destroyed");
  });

  test("a key is destroyed, and its deletion canceled, only while that is pending", () => {
    for (const operation of ["destroy", "cancel-deletion"] as const)
      expect(STATES.filter((state) => verdictOf(state, operation) === "allowed")).toEqual([
        "pending-deletion",
      ]);
  });
});
