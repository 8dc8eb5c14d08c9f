import type { HmacKeyType, HmacMechanism } from "../../../core/barbican/project-key.ts";
import type { ModuleOptions } from "../token/module.ts";
import type { TokenPlace } from "../token/token-place.ts";

/*
 * What is asked of the unit hosts that hold the master keys of a Barbican. Payloads are fields (core/fields.ts); keys and
 * what became of them are packed (packed-project-keys.ts).
 */

/** Numbers of the operations; 0 starts a host. */
export const PROJECT_KEY_OP = {
  facts: 1,
  /** The master keys that were found are forgotten: they are looked for anew. */
  forget: 2,
  find: 3,
  rewrap: 4,
  verify: 5,
  verifySecrets: 6,
} as const;

/** What a host is started with; the PIN is a field of its own behind it. */
export interface ProjectKeyHostStart {
  readonly module: ModuleOptions;
  readonly token: TokenPlace;
  /** Of the hosts of this token alone: there they see whether the PIN was refused to another one. */
  readonly loginFolder: string;
  readonly hmacKeyType: HmacKeyType;
  readonly hmacMechanism: HmacMechanism;
}

/** What one of Barbican's keys is for: MKEKs wrap, HMAC keys sign what they have wrapped. */
export interface LabelledKey {
  readonly use: "mkek" | "hmac";
  readonly label: string;
}

/** So many keys are a request: of an HSM that takes 10 ms for a call, ten seconds. */
export const PROJECT_KEY_BATCH = 64;
