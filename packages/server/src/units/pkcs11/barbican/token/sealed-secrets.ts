import { randomBytes } from "node:crypto";
import type { SealedSecret, SecretMechanism } from "../../../../core/barbican/project-key.ts";
import { SECRET_MECHANISMS } from "../../../../core/barbican/project-key.ts";
import { PARAMETER } from "../../token/cryptoki.ts";
import type { Mechanism, ObjectHandle } from "../../token/module.ts";
import { asBuffer } from "../../token/module.ts";
import { refusable } from "../../token/refusable.ts";
import type { TokenSession } from "../../token/token-session.ts";
import type { Refused } from "../packed-project-keys.ts";
import { isRequestRefused } from "./key-wrapping.ts";

const BLOCK_BYTES = 16;
const TAG_BYTES = 16;
const NO_AAD = Buffer.alloc(0);

export type OpenedSecret = "opened" | Refused<"not-opened" | "mechanism-unsupported" | "malformed">;

/**
 * Whether a payload of Barbican decrypts under its project KEK. The plaintext is wiped where it comes out. CBC has no
 * integrity: there its padding, PKCS#7 that Barbican adds itself, is all that can be looked at.
 */
export function openSecret(token: TokenSession, key: ObjectHandle, secret: SealedSecret): OpenedSecret {
  const { mechanism, iv, ciphertext } = secret;
  const { module, session } = token;
  const isCbc = mechanism === "CKM_AES_CBC";
  if (isMalformed(secret)) return { refused: "malformed" };
  const decrypts = (nonce: Uint8Array, data: Uint8Array): boolean => {
    const plaintext = module.decrypt(session, mechanismOf(mechanism, nonce), key, data);
    const isPadded = endsInPadding(plaintext);
    plaintext.fill(0);
    return isPadded || !isCbc;
  };
  const control = (): void => {
    const nonce = randomBytes(iv.byteLength);
    const data = Buffer.alloc(BLOCK_BYTES);
    decrypts(nonce, module.encrypt(session, mechanismOf(mechanism, nonce), key, data, TAG_BYTES));
  };
  try {
    return refusable(token, control, () => decrypts(iv, ciphertext)) === true
      ? "opened"
      : { refused: "not-opened" };
  } catch (error) {
    if (isRequestRefused(error)) return { refused: "mechanism-unsupported" };
    throw error;
  }
}

/** Barbican's IVs of GCM have 12 bytes, or 16 where the HSM makes them. */
function isMalformed({ mechanism, iv, ciphertext }: SealedSecret): boolean {
  if (mechanism !== "CKM_AES_CBC")
    return ![12, 16].includes(iv.byteLength) || ciphertext.byteLength < TAG_BYTES;
  const isWhole = ciphertext.byteLength > 0 && ciphertext.byteLength % BLOCK_BYTES === 0;
  return iv.byteLength !== BLOCK_BYTES || !isWhole;
}

function mechanismOf(mechanism: SecretMechanism, iv: Uint8Array): Mechanism {
  const number = SECRET_MECHANISMS[mechanism];
  if (mechanism === "CKM_AES_CBC") return { mechanism: number, parameter: asBuffer(iv) };
  const gcm = { iv: asBuffer(iv), ivBits: iv.byteLength * 8, aad: NO_AAD, tagBits: TAG_BYTES * 8 };
  return { mechanism: number, parameter: { type: PARAMETER.AES_GCM_V240, ...gcm } };
}

function endsInPadding(plaintext: Uint8Array): boolean {
  const length = plaintext.at(-1) ?? 0;
  const padding = plaintext.subarray(-length);
  return length >= 1 && length <= BLOCK_BYTES && padding.every((byte) => byte === length);
}
