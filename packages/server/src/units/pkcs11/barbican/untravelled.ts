import type {
  ProjectKeyRefusal,
  SealedSecret,
  WrappedProjectKey,
} from "../../../core/barbican/project-key.ts";
import { KEY_WRAP_MECHANISMS } from "../../../core/barbican/project-key.ts";

/*
 * What no token needs to be asked, and what must not travel: a value of a database may be of any length, and one that is too
 * long for a request would be in the way of its neighbours.
 */

/** Of AES keys of 16 to 32 bytes the mechanisms make 24 to 56, whatever padding a token takes KEY_WRAP_PAD for. */
const WRAPPED_BYTES = { least: 24, most: 56 } as const;
const CBC_BLOCK_BYTES = 16;
const KEY_WRAP_BLOCK_BYTES = 8;

const HMAC_LIMIT_BYTES = 64;
/** No token has a longer label. */
const LABEL_LIMIT_CHARACTERS = 1_024;

/** Barbican itself takes 20 kB unless it is told otherwise. */
const CIPHERTEXT_LIMIT_BYTES = 8 * 1024 * 1024;

export function refusalOf(key: WrappedProjectKey): ProjectKeyRefusal | undefined {
  const { iv, wrapped, hmac, mkekLabel, hmacLabel, mechanism } = key;
  const isCbc = mechanism === "CKM_AES_CBC_PAD";
  const { ivBytes } = KEY_WRAP_MECHANISMS[mechanism];
  if (iv ? iv.byteLength !== ivBytes : isCbc) return "malformed";
  const length = wrapped.byteLength;
  if (length < WRAPPED_BYTES.least || length > WRAPPED_BYTES.most) return "malformed";
  if (length % (isCbc ? CBC_BLOCK_BYTES : KEY_WRAP_BLOCK_BYTES) !== 0) return "malformed";
  if (hmac.byteLength > HMAC_LIMIT_BYTES) return "hmac-mismatch";
  if (hmacLabel.length > LABEL_LIMIT_CHARACTERS) return "hmac-key-missing";
  return mkekLabel.length > LABEL_LIMIT_CHARACTERS ? "mkek-missing" : undefined;
}

export function isTooLong({ iv, ciphertext }: SealedSecret): boolean {
  return iv.byteLength + ciphertext.byteLength > CIPHERTEXT_LIMIT_BYTES;
}
