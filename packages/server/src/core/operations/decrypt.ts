import { parseCiphertext } from "../crypto/ciphertext.ts";
import { encodeContext } from "../crypto/encryption-context.ts";
import type { EncryptionContext } from "../crypto/encryption-context.ts";
import { payloadAad } from "../crypto/payload-aad.ts";
import { Failure, isFailure } from "../errors.ts";
import type { KeyId } from "../ids.ts";
import { requireKeyUsage } from "../hierarchy/key-specs.ts";
import { requireKeyState } from "../hierarchy/key-states.ts";
import type { KeyRecord, ProjectRecord } from "../hierarchy/records.ts";
import type { SecretBytes } from "../secret/secret-bytes.ts";
import type { PayloadPorts } from "./encrypt.ts";
import { CALLER_PAYLOAD } from "./encrypt.ts";

export interface Decrypted {
  /** The caller wipes it. */
  readonly plaintext: SecretBytes;
  readonly keyId: KeyId;
  readonly keyVersion: number;
}

/**
 * Decrypts; the ciphertext names its key and version. A key of another project, one that never was, another context
 * and a changed byte are all the same refusal.
 * @throws Failure `ciphertext-refused`, those of a key that is not enabled (key-states.ts).
 */
export async function decrypt(
  ports: PayloadPorts,
  input: {
    readonly project: ProjectRecord;
    readonly ciphertext: Uint8Array;
    readonly context: EncryptionContext;
    /** Told which key and version the ciphertext names, before it is opened: what a refusal is recorded with. */
    readonly onKey?: (named: { readonly key: KeyId; readonly version: number }) => void;
  },
): Promise<Decrypted> {
  const { project } = input;
  const parsed = parseCiphertext(input.ciphertext);
  const context = encodeContext(input.context);
  const { keyId, keyVersion } = parsed;
  input.onKey?.({ key: keyId, version: keyVersion });
  const version = await refusing(async () => {
    const key: KeyRecord = await ports.keys.key(project.id, keyId);
    requireKeyState(key, "decrypt");
    requireKeyUsage(key, "ENCRYPT_DECRYPT");
    return ports.keys.version(key, keyVersion);
  });
  const aad = payloadAad({ projectId: project.id, keyId, keyVersion, purpose: CALLER_PAYLOAD, context });
  const plaintext = await ports.materials.withMaterial(version, ({ unit, handle }) =>
    unit.materials.decrypt(handle, parsed, aad),
  );
  return { plaintext, keyId, keyVersion };
}

/** A key that is not there, or does not encrypt, says no more than a ciphertext that does not fit. */
async function refusing<Result>(find: () => Promise<Result>): Promise<Result> {
  try {
    return await find();
  } catch (error) {
    if (isFailure(error, "key-not-found", "key-usage-differs"))
      throw new Failure("ciphertext-refused", undefined, { cause: error });
    throw error;
  }
}
