import { Failure, isFailure } from "../errors.ts";
import type { KeyVersionRecord } from "../hierarchy/records.ts";
import type { SecretBytes } from "../secret/secret-bytes.ts";
import { reveal } from "../secret/secret-bytes.ts";
import type { CryptoUnit, MaterialHandle } from "../unit/crypto-unit.ts";
import { FILE_KEY_BYTES } from "./chunk-stream.ts";
import { encodeCiphertext, parseCiphertext } from "./ciphertext.ts";
import { encodeContext } from "./encryption-context.ts";
import { payloadAad } from "./payload-aad.ts";
import { isPayloadSuite } from "./payload-suite.ts";

type SealingKey = Pick<KeyVersionRecord, "projectId" | "keyId" | "version">;

interface OpenedOn {
  readonly unit: CryptoUnit;
  readonly handle: MaterialHandle;
}

/**
 * A new file key, and the same sealed under the key version that is open: a ciphertext like any other
 * (docs/wrapped-key-format.md §6) with a purpose that no caller can ask for. The caller wipes the key.
 */
export async function newFileKey(
  key: SealingKey,
  { unit, handle }: OpenedOn,
): Promise<{ readonly fileKey: SecretBytes; readonly sealed: Uint8Array }> {
  const fileKey = await unit.materials.random(FILE_KEY_BYTES);
  try {
    const { suite, nonce, sealed } = await unit.materials.encrypt(handle, reveal(fileKey), aadOf(key));
    if (!isPayloadSuite(suite)) throw new Failure("internal", "a unit sealed with an unknown suite");
    const { keyId, version: keyVersion } = key;
    return { fileKey, sealed: encodeCiphertext({ keyId, keyVersion, suite, nonce, sealed }) };
  } catch (error) {
    fileKey[Symbol.dispose]();
    throw error;
  }
}

/** The file key in `sealed`, which the caller wipes, or "refused". */
export async function openFileKey(
  key: SealingKey,
  { unit, handle }: OpenedOn,
  sealed: Uint8Array,
): Promise<SecretBytes | "refused"> {
  try {
    const payload = parseCiphertext(sealed);
    if (payload.keyId !== key.keyId || payload.keyVersion !== key.version) return "refused";
    return await unit.materials.decrypt(handle, payload, aadOf(key));
  } catch (error) {
    if (isFailure(error, "ciphertext-refused")) return "refused";
    throw error;
  }
}

function aadOf({ projectId, keyId, version }: SealingKey): Uint8Array {
  return payloadAad({
    projectId,
    keyId,
    keyVersion: version,
    purpose: "backup-file-key",
    context: encodeContext({}),
  });
}
