/**
 * Wraps material for the public key of an import token (DER SubjectPublicKeyInfo): RSAES-OAEP with SHA-256, MGF1 with
 * SHA-256, no label (RFC 8017 §7.1). By the cryptography of the runtime: browsers have it too. Throws DOMException for
 * bytes that are no RSA public key, and for material that is longer than the key can take.
 */
export async function wrapForImport(
  publicKey: Uint8Array<ArrayBuffer>,
  material: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const { subtle } = globalThis.crypto;
  const algorithm = { name: "RSA-OAEP", hash: "SHA-256" };
  const key = await subtle.importKey("spki", publicKey, algorithm, false, ["encrypt"]);
  const copy = Uint8Array.from(material);
  try {
    return new Uint8Array(await subtle.encrypt(algorithm, key, copy));
  } finally {
    copy.fill(0);
  }
}
