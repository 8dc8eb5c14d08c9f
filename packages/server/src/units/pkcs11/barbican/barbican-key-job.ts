import type { HmacKeyType } from "../../../core/barbican/project-key.ts";
import { CKM } from "../token/cryptoki.ts";
import type { TokenLocation } from "../token-uri.ts";

/*
 * The master keys of OpenStack Barbican in a token: what `barbican-manage hsm` makes and looks for, as one job for a
 * process of its own (openstack/barbican: barbican/cmd/barbican_manage.py, HSMCommands).
 */

/** The mechanisms that generate keys (barbican/plugin/crypto/pkcs11.py, _KEY_GEN_MECHANISMS). The last one is nCipher's own. */
export const BARBICAN_KEY_GEN_MECHANISMS = {
  CKM_AES_KEY_GEN: CKM.AES_KEY_GEN,
  CKM_GENERIC_SECRET_KEY_GEN: CKM.GENERIC_SECRET_KEY_GEN,
  CKM_NC_SHA256_HMAC_KEY_GEN: 0xde436997,
} as const;

export type BarbicanKeyGenMechanism = keyof typeof BARBICAN_KEY_GEN_MECHANISMS;

/** A key is found by its type and label alone, as Barbican finds it. An MKEK is CKK_AES. */
interface BarbicanKey {
  readonly type: HmacKeyType;
  readonly label: string;
}

/** `mkek`, the master KEK, encrypts and wraps; `hmac` signs the wrapped project KEKs. */
export interface NewBarbicanKey extends BarbicanKey {
  readonly use: "mkek" | "hmac";
  readonly mechanism: BarbicanKeyGenMechanism;
  readonly lengthBytes: number;
}

export interface BarbicanKeyJob {
  /** Where the token is; of labels the first counts that some token has. The PIN comes beside the job. */
  readonly location: TokenLocation & { readonly labels?: readonly string[] };
  readonly ask:
    | { readonly what: "generate"; readonly key: NewBarbicanKey }
    | { readonly what: "check"; readonly key: BarbicanKey };
}

export type BarbicanKeyOutcome =
  | { readonly outcome: "generated" | "exists" | "found" | "absent" }
  | {
      readonly outcome: "failed";
      /** As barbican-manage says it. */
      readonly message: string;
      readonly advice: string;
    };
