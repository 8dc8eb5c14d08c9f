import type { SealedSecret, SecretMechanism } from "./project-key.ts";
import { SECRET_MECHANISMS } from "./project-key.ts";
import { bytesOf, objectOf, shown } from "./strict-json.ts";

/*
 * `encrypted_data` of the p11_crypto plugin (openstack/barbican: barbican/plugin/crypto/p11_crypto.py, _encrypt, and
 * barbican/plugin/store_crypto.py, which encodes the ciphertext): `cypher_text` is base64, `kek_meta_extended` is
 * {"iv":B64,"mechanism":s}.
 */

const MEMBERS = new Set(["iv", "mechanism"]);

/** The sealed payload of a row, or a clause that says what is wrong with it and has no value of it but names. */
export function parseSealedSecret(
  cypherText: string,
  kekMetaExtended: string | null,
): SealedSecret | { readonly refused: string } {
  const ciphertext = bytesOf(cypherText);
  if (ciphertext === undefined) return { refused: "cypher_text is not base64" };
  if (kekMetaExtended === null) return { refused: "kek_meta_extended is missing" };
  const meta = objectOf(kekMetaExtended, MEMBERS);
  if (typeof meta === "string") return { refused: `of kek_meta_extended: ${meta}` };
  const iv = bytesOf(meta["iv"]);
  if (iv === undefined) return { refused: "iv is not base64" };
  const { mechanism } = meta;
  if (!isMechanism(mechanism))
    return { refused: `mechanism ${shown(mechanism)} is not one that encrypts secrets` };
  return { mechanism, iv, ciphertext };
}

function isMechanism(value: unknown): value is SecretMechanism {
  return typeof value === "string" && Object.hasOwn(SECRET_MECHANISMS, value);
}
