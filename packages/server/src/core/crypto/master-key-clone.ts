import { Failure } from "../errors.ts";
import { FieldReader, FieldWriter } from "../fields.ts";
import type { UnitAddress } from "../ids.ts";
import type { CloneForm, CloneRequest } from "../unit/crypto-unit.ts";

/** From whom to whom a master key goes, which, and in which form. */
export interface CloneRoute {
  readonly sender: UnitAddress;
  readonly recipient: UnitAddress;
  readonly request: CloneRequest;
}

export type OaepHash = "sha256" | "sha1";

/** The hash of RSA-OAEP in each kind of form 2. */
export const OAEP_HASH_OF_FORM_2 = {
  "2-sha256": "sha256",
  "2-sha1": "sha1",
} as const satisfies Record<Exclude<CloneForm, "1">, OaepHash>;

/**
 * A master key in form 2 (docs/wrapped-key-format.md §10), which tokens make and open without showing a key: each of the
 * two keys under RSA-OAEP for the recipient, with an empty label.
 */
export interface CloneInTwo {
  readonly hash: OaepHash;
  /** Which of the sender's master keys is the later one. */
  readonly generation: number;
  /** The wrapping key, then the MAC key. */
  readonly keys: readonly [Uint8Array, Uint8Array];
}

export const CLONE_PROOF_BYTES = 32;

const LABEL = "claviger master key clone 2";

/** What the proof is an HMAC-SHA-256 of, under the MAC key itself: it binds both keys to their way. */
export function cloneProofInput({ sender, recipient, request }: CloneRoute, clone: CloneInTwo): Uint8Array {
  const input = new FieldWriter();
  for (const text of [LABEL, sender, recipient, request.type, request.register, request.vp]) input.text(text);
  input.count(clone.generation);
  for (const key of clone.keys) input.bytes(key);
  return input.finish();
}

export function writeCloneInTwo(clone: CloneInTwo, proof: Uint8Array): Uint8Array {
  const form = new FieldWriter();
  form.text(clone.hash);
  form.count(clone.generation);
  for (const key of clone.keys) form.bytes(key);
  form.fixed(proof);
  return form.finish();
}

/** @throws Failure `ciphertext-refused` for what is not in this form, or has another hash. */
export function readCloneInTwo(
  wrapped: Uint8Array,
  hash: OaepHash,
): { readonly clone: CloneInTwo; readonly proof: Uint8Array } {
  try {
    const fields = new FieldReader(wrapped);
    if (fields.text() !== hash) throw cloneRefused();
    const generation = fields.count();
    const keys = [fields.bytes(), fields.bytes()] as const;
    const proof = fields.fixed(CLONE_PROOF_BYTES);
    fields.end();
    return { clone: { hash, generation, keys }, proof };
  } catch (error) {
    if (error instanceof TypeError) throw cloneRefused();
    throw error;
  }
}

/** One refusal for whatever does not fit: OAEP must not be an oracle. */
export function cloneRefused(cause?: unknown): Failure {
  const message = "the wrapped master key does not open for this unit and request";
  return new Failure("ciphertext-refused", message, { cause });
}
