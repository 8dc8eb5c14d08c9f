import type { PublicJwk } from "../crypto/public-key-forms.ts";
import { publicKeyForms } from "../crypto/public-key-forms.ts";
import type { SignatureAlgorithm, SigningSpec } from "../crypto/signature-algorithms.ts";
import { algorithmsOf, joseNameOf } from "../crypto/signature-algorithms.ts";
import { Failure } from "../errors.ts";
import type { KeyDirectory } from "../hierarchy/key-directory.ts";
import { requireSigningSpec } from "../hierarchy/key-specs.ts";
import { requireKeyState } from "../hierarchy/key-states.ts";
import type { KeyRecord } from "../hierarchy/records.ts";

export interface ExportedPublicKey {
  readonly keyVersion: number;
  readonly spec: SigningSpec;
  /** What signatures of this key may be made with, the usual one first. */
  readonly algorithms: readonly SignatureAlgorithm[];
  /** SubjectPublicKeyInfo. */
  readonly pem: string;
  readonly jwk: PublicJwk & { readonly kid: string; readonly use: "sig"; readonly alg?: string };
}

/**
 * The public key of a version, the current one if none is named, so that anybody can verify without the service.
 * @throws Failure of a key that is not enabled (key-states.ts), `key-usage-differs`, `key-not-found` for a version that
 * never was.
 */
export async function exportPublicKey(
  ports: { readonly keys: KeyDirectory },
  input: { readonly key: KeyRecord; readonly keyVersion?: number | undefined },
): Promise<ExportedPublicKey> {
  const { key, keyVersion = key.currentVersion } = input;
  requireKeyState(key, "export-public");
  const spec = requireSigningSpec(key);
  const { pem, jwk } = publicKeyForms(await publicKeyOf(ports, key, keyVersion));
  const alg = joseNameOf(spec);
  const named = { ...jwk, kid: `${key.id}/${keyVersion}`, use: "sig" as const, ...(alg && { alg }) };
  return { keyVersion, spec, algorithms: algorithmsOf(spec), pem, jwk: named };
}

/** DER SubjectPublicKeyInfo. @throws Failure `key-not-found` for a version that never was. */
export async function publicKeyOf(
  ports: { readonly keys: KeyDirectory },
  key: KeyRecord,
  keyVersion: number,
): Promise<Uint8Array> {
  const { publicKey } = await ports.keys.version(key, keyVersion);
  if (!publicKey) throw new Failure("key-usage-differs", "the version has no public key");
  return publicKey;
}
