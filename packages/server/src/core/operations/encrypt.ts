import { encodeCiphertext } from "../crypto/ciphertext.ts";
import { encodeContext } from "../crypto/encryption-context.ts";
import type { EncryptionContext } from "../crypto/encryption-context.ts";
import { payloadAad } from "../crypto/payload-aad.ts";
import { isPayloadSuite } from "../crypto/payload-suite.ts";
import { Failure } from "../errors.ts";
import type { KeyDirectory } from "../hierarchy/key-directory.ts";
import { requireKeyUsage } from "../hierarchy/key-specs.ts";
import { requireKeyState } from "../hierarchy/key-states.ts";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { KeyRecord } from "../hierarchy/records.ts";

export interface PayloadPorts {
  readonly keys: KeyDirectory;
  readonly materials: OpenedMaterials;
}

/** What a payload is for, bound by its AAD: everything that callers encrypt and decrypt by themselves. */
export const CALLER_PAYLOAD = "payload";

/**
 * Encrypts under the current version of a key; returns the self-describing ciphertext.
 * @throws Failure of a key that is not enabled (key-states.ts), `key-usage-differs`, `invalid-request` for a context that is none.
 */
export async function encrypt(
  ports: PayloadPorts,
  input: { readonly key: KeyRecord; readonly plaintext: Uint8Array; readonly context: EncryptionContext },
): Promise<Uint8Array> {
  const { key } = input;
  requireKeyState(key, "encrypt");
  requireKeyUsage(key, "ENCRYPT_DECRYPT");
  const aad = payloadAad({
    projectId: key.projectId,
    keyId: key.id,
    keyVersion: key.currentVersion,
    purpose: CALLER_PAYLOAD,
    context: encodeContext(input.context),
  });
  const version = await ports.keys.version(key, key.currentVersion);
  const { suite, nonce, sealed } = await ports.materials.withMaterial(version, ({ unit, handle }) =>
    unit.materials.encrypt(handle, input.plaintext, aad),
  );
  if (!isPayloadSuite(suite)) throw new Failure("internal", "a unit sealed with an unknown suite");
  return encodeCiphertext({ keyId: key.id, keyVersion: key.currentVersion, suite, nonce, sealed });
}
