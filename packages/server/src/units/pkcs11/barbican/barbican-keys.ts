import type { Failure } from "../../../core/errors.ts";
import { isFailure } from "../../../core/errors.ts";
import { HMAC_KEY_TYPES } from "../../../core/barbican/project-key.ts";
import { BARBICAN_KEY_GEN_MECHANISMS } from "./barbican-key-job.ts";
import type { BarbicanKeyJob, BarbicanKeyOutcome, NewBarbicanKey } from "./barbican-key-job.ts";
import { CKO } from "../token/cryptoki.ts";
import type { ObjectHandle, Session, SlotId, Template, TokenInfo } from "../token/module.ts";
import { Pkcs11Module, TokenError, template } from "../token/module.ts";
import type { WhatFailed } from "../token/return-codes.ts";
import { slotNumber, tokensAt } from "../token/token-place.ts";

type Failed = Extract<BarbicanKeyOutcome, { outcome: "failed" }>;

/** Does one job. The PIN is tried once, whatever comes of it. The process is of no further use afterwards. */
export function doBarbicanKeyJob({ location, ask }: BarbicanKeyJob, pin: Uint8Array): BarbicanKeyOutcome {
  try {
    const { modulePath: path, libraryParameters } = location;
    const module = new Pkcs11Module({ path, libraryParameters });
    module.initialise();
    const slot = slotOf(module.tokens(), location);
    if (!Buffer.isBuffer(slot)) return slot;
    const session = module.openSession(slot);
    module.login(session, pin);
    const found = keysOf(module, session, ask.key);
    if (found.length > 1) return MORE_THAN_ONE;
    if (ask.what === "check") return { outcome: found.length === 1 ? "found" : "absent" };
    return found.length === 1 ? { outcome: "exists" } : generate(module, session, ask.key);
  } catch (error) {
    if (error instanceof TokenError) return refused(error);
    if (isFailure(error, "unit-unreachable")) return notLoaded(error);
    throw error;
  }
}

/** The template of barbican/plugin/crypto/pkcs11.py, generate_key for a master key, to the letter. */
function templateOf({ type, use, lengthBytes, label }: NewBarbicanKey): Template {
  const isMkek = use === "mkek";
  return template({
    CLASS: CKO.SECRET_KEY,
    KEY_TYPE: HMAC_KEY_TYPES[type],
    VALUE_LEN: lengthBytes,
    TOKEN: true,
    PRIVATE: true,
    SENSITIVE: true,
    ENCRYPT: isMkek,
    DECRYPT: isMkek,
    SIGN: !isMkek,
    VERIFY: !isMkek,
    WRAP: isMkek,
    UNWRAP: isMkek,
    EXTRACTABLE: false,
    LABEL: Buffer.from(label),
  });
}

/** A key that Barbican would not find is none: NSS makes one of the mechanism's type, whatever the template says. */
function generate(module: Pkcs11Module, session: Session, key: NewBarbicanKey): BarbicanKeyOutcome {
  const made = module.generateKey(session, BARBICAN_KEY_GEN_MECHANISMS[key.mechanism], templateOf(key));
  if (keysOf(module, session, key).length === 1) return { outcome: "generated" };
  module.destroyObject(session, made);
  return failed(
    `${key.mechanism} made no key of type ${key.type}`,
    "The key was destroyed again: give the mechanism that belongs to the key type.",
  );
}

function keysOf(
  module: Pkcs11Module,
  session: Session,
  { type, label }: BarbicanKeyJob["ask"]["key"],
): readonly ObjectHandle[] {
  const wanted = { CLASS: CKO.SECRET_KEY, KEY_TYPE: HMAC_KEY_TYPES[type], LABEL: Buffer.from(label) };
  return module.find(session, template(wanted), 2);
}

/** Everything that is given has to fit, and one token only. */
function slotOf(tokens: readonly TokenInfo[], location: BarbicanKeyJob["location"]): SlotId | Failed {
  const { token: label, labels, serial, slotId: slot, manufacturer, model } = location;
  const [found, another] = tokensAt({ label, labels, serial, slot, manufacturer, model }, tokens);
  const list = tokens.map((there) => `"${there.label}" (serial ${there.serial}, slot ${slotNumber(there)})`);
  const advice = `The module has: ${list.join(", ") || "no token"}.`;
  if (another !== undefined) return failed("More than one token is meant.", `Name one of them. ${advice}`);
  if (found !== undefined) return found.slot;
  if (serial !== undefined) return failed("Token Serial Number not found.", advice);
  if ((label ?? labels) !== undefined) return failed("Token Labels not found.", advice);
  return failed(`No token was found in slot ${slot}`, advice);
}

const MORE_THAN_ONE = failed(
  "More than one key found for label",
  "Barbican cannot use this label either: give one of the keys another.",
);

const ADVICE = {
  pin: "The PIN was tried once. Correct it before you try again: many tokens lock after a few wrong ones.",
  request: "The token does not do this: compare key type, mechanism and length with the manual of the HSM.",
  blob: "See the log of the HSM and of its driver.",
  session: "See the log of the HSM and of its driver.",
  token: "See the log of the HSM and of its driver.",
} as const satisfies Record<WhatFailed, string>;

function refused({ code, rule }: TokenError): Failed {
  const name = rule.name.startsWith("CKR_") ? rule.name : "CKR_????";
  return failed(`HSM returned response code: 0x${code.toString(16)} ${name}`, ADVICE[rule.failed]);
}

function notLoaded({ message, cause }: Failure): Failed {
  const why = cause instanceof Error ? ` (${cause.message})` : "";
  return failed(
    `cannot load library: ${message}${why}`,
    "Give the path of the module that came with the HSM.",
  );
}

function failed(message: string, advice: string): Failed {
  return { outcome: "failed", message, advice };
}
