import type { KeyId, ProjectId } from "../ids.ts";
import { UUID_BYTES, writeUuid } from "./uuid-bytes.ts";

/** What a sealed payload belongs to: opening it needs exactly the same. */
export interface PayloadBinding {
  readonly projectId: ProjectId;
  readonly keyId: KeyId;
  readonly keyVersion: number;
  /** What the payload is for, 1 to 64 characters of ASCII, from a closed set of the operations: no payload passes for another kind. */
  readonly purpose: string;
  /** Canonical bytes of the encryption context (`encodeContext`). */
  readonly context: Uint8Array;
}

const LABEL = "claviger aad 1";
const PURPOSE = /^[\x21-\x7e]{1,64}$/;

/**
 * AAD of a payload: label ‖ project id (16) ‖ key id (16) ‖ key version (4) ‖ length ‖ purpose ‖ length ‖ context;
 * numbers are 4 bytes, big endian. The verification pattern of a master key is not in it, so that a master-key
 * change leaves every ciphertext as it is.
 */
export function payloadAad(binding: PayloadBinding): Uint8Array {
  const { purpose, context } = binding;
  if (!PURPOSE.test(purpose)) throw new RangeError("a purpose has 1 to 64 visible ASCII characters");
  const aad = Buffer.allocUnsafe(LABEL.length + 2 * UUID_BYTES + 12 + purpose.length + context.byteLength);
  let at = aad.write(LABEL, 0, "latin1");
  writeUuid(binding.projectId, aad, at);
  writeUuid(binding.keyId, aad, at + UUID_BYTES);
  at = aad.writeUInt32BE(binding.keyVersion, at + 2 * UUID_BYTES);
  at = aad.writeUInt32BE(purpose.length, at);
  at += aad.write(purpose, at, "latin1");
  at = aad.writeUInt32BE(context.byteLength, at);
  aad.set(context, at);
  return aad;
}
