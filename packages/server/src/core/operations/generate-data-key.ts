import type { EncryptionContext } from "../crypto/encryption-context.ts";
import { requireKeyUsage } from "../hierarchy/key-specs.ts";
import { requireKeyState } from "../hierarchy/key-states.ts";
import type { KeyRecord } from "../hierarchy/records.ts";
import type { SecretBytes } from "../secret/secret-bytes.ts";
import { reveal } from "../secret/secret-bytes.ts";
import type { PayloadPorts } from "./encrypt.ts";
import { encrypt } from "./encrypt.ts";

export interface DataKey {
  /** In clear, for the caller to use once and forget. The caller wipes it. */
  readonly plaintext: SecretBytes;
  /** The same key under the key version: what the caller keeps, and decrypts to use again. */
  readonly ciphertext: Uint8Array;
}

/**
 * Generates a data key of `lengthBytes` random bytes of a crypto unit.
 * @throws Failure those of `encrypt`.
 */
export async function generateDataKey(
  ports: PayloadPorts,
  input: { readonly key: KeyRecord; readonly lengthBytes: number; readonly context: EncryptionContext },
): Promise<DataKey> {
  requireKeyState(input.key, "generate-data-key");
  requireKeyUsage(input.key, "ENCRYPT_DECRYPT");
  const version = await ports.keys.version(input.key, input.key.currentVersion);
  const plaintext = await ports.materials.withMaterial(version, ({ unit }) =>
    unit.materials.random(input.lengthBytes),
  );
  try {
    const ciphertext = await encrypt(ports, {
      key: input.key,
      plaintext: reveal(plaintext),
      context: input.context,
    });
    return { plaintext, ciphertext };
  } catch (error) {
    plaintext[Symbol.dispose]();
    throw error;
  }
}
