import type { MessageType, SignatureAlgorithm } from "../crypto/signature-algorithms.ts";
import { verifyMessage } from "../crypto/signature-algorithms.ts";
import { requireKeyState } from "../hierarchy/key-states.ts";
import type { KeyDirectory } from "../hierarchy/key-directory.ts";
import type { KeyRecord } from "../hierarchy/records.ts";
import { publicKeyOf } from "./export-public-key.ts";
import { algorithmFor, requireMessage } from "./sign.ts";

export interface Verification {
  readonly valid: boolean;
  readonly algorithm: SignatureAlgorithm;
  readonly keyVersion: number;
}

/**
 * Whether a signature is one of the message by a version of the key, the current one if none is named. By the public key of
 * the row, which its MAC vouches for: that needs no unit.
 * @throws Failure of a key that is not enabled (key-states.ts), `key-usage-differs`, `algorithm-refused`,
 * `key-not-found` for a version that never was.
 */
export async function verify(
  ports: { readonly keys: KeyDirectory },
  input: {
    readonly key: KeyRecord;
    readonly message: Uint8Array;
    readonly messageType?: MessageType | undefined;
    readonly signature: Uint8Array;
    readonly algorithm?: SignatureAlgorithm | undefined;
    readonly keyVersion?: number | undefined;
  },
): Promise<Verification> {
  const { key, message, messageType = "RAW", signature, keyVersion = key.currentVersion } = input;
  requireKeyState(key, "verify");
  const algorithm = algorithmFor(key, input.algorithm);
  requireMessage(algorithm, messageType, message);
  const publicKey = await publicKeyOf(ports, key, keyVersion);
  const valid = await verifyMessage(algorithm, publicKey, message, signature, messageType);
  return { valid, algorithm, keyVersion };
}
