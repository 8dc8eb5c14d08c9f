import type { FailureCode } from "../errors.ts";
import { Failure } from "../errors.ts";

/**
 * The life of a key. States, and how a key comes and goes:
 * - `pending-import`: created for material that somebody will import; it has no version yet. The first import enables it;
 * - `enabled`: created so, or enabled again; everything may be done with it;
 * - `disabled`: by a person, or because its deletion was canceled; nothing is done with it until it is enabled;
 * - `pending-deletion`: a deletion was scheduled; nothing is done with it, and its material is still there until the
 *   time has come; canceling leads to `disabled`, never straight back into use (and back to `pending-import` from there);
 * - `destroyed`: the time had come. The row stays as history, the material is gone, and its name is free.
 */
export type KeyState = "pending-import" | "enabled" | "disabled" | "pending-deletion" | "destroyed";

export type KeyOperation =
  | "encrypt"
  | "decrypt"
  | "generate-data-key"
  | "sign"
  | "verify"
  | "export-public"
  | "rotate"
  | "import"
  | "enable"
  | "disable"
  | "schedule-deletion"
  | "cancel-deletion"
  | "destroy";

type Verdict = "allowed" | FailureCode;
type Verdicts = Readonly<Record<KeyOperation, Verdict>>;

/** What each state says to each operation: allowed, or the code it is refused with. The only place that says so. */
export const KEY_STATES = {
  "pending-import": {
    ...everyOperation("key-pending-import"),
    import: "allowed",
    "schedule-deletion": "allowed",
    "cancel-deletion": "key-not-pending-deletion",
    destroy: "key-not-pending-deletion",
  },
  enabled: {
    ...everyOperation("allowed"),
    "cancel-deletion": "key-not-pending-deletion",
    destroy: "key-not-pending-deletion",
  },
  disabled: {
    ...everyOperation("key-disabled"),
    import: "allowed",
    enable: "allowed",
    disable: "allowed",
    "schedule-deletion": "allowed",
    "cancel-deletion": "key-not-pending-deletion",
    destroy: "key-not-pending-deletion",
  },
  "pending-deletion": {
    ...everyOperation("key-pending-deletion"),
    "cancel-deletion": "allowed",
    destroy: "allowed",
  },
  destroyed: everyOperation("key-destroyed"),
} as const satisfies Record<KeyState, Verdicts>;

/** @throws Failure with the code that the table has for a key in this state. */
export function requireKeyState(key: { readonly state: KeyState }, operation: KeyOperation): void {
  const verdict: Verdict = KEY_STATES[key.state][operation];
  if (verdict !== "allowed") throw new Failure(verdict);
}

function everyOperation<const V extends Verdict>(verdict: V): Readonly<Record<KeyOperation, V>> {
  return {
    encrypt: verdict,
    decrypt: verdict,
    "generate-data-key": verdict,
    sign: verdict,
    verify: verdict,
    "export-public": verdict,
    rotate: verdict,
    import: verdict,
    enable: verdict,
    disable: verdict,
    "schedule-deletion": verdict,
    "cancel-deletion": verdict,
    destroy: verdict,
  };
}
