import type { KeyView, Role, RouteReply } from "@claviger/api";

/** Values of the API that callers need, without its schemas; words.test.ts compares them with those. */

/** Largest plaintext of one `encrypt`, in bytes: larger data belongs under a data key. */
export const PLAINTEXT_LIMIT_BYTES = 64 * 1024;

/** Roles that may be given for one project only. */
export const PROJECT_ROLES = ["key-admin", "key-user", "auditor"] as const satisfies readonly Role[];

/** What a principal may be. */
export const ROLES = [
  "administrator",
  "custodian",
  "operator",
  "key-admin",
  "key-user",
  "auditor",
] as const satisfies readonly Role[];

/** What a key may be: AES_256 encrypts, the others sign. */
export const KEY_SPECS = [
  "AES_256",
  "EC_P256",
  "EC_P384",
  "RSA_3072",
  "ED25519",
] as const satisfies readonly KeyView["spec"][];

/** What signatures are made with. */
export const SIGNATURE_ALGORITHMS = [
  "ECDSA_SHA_256",
  "ECDSA_SHA_384",
  "RSASSA_PSS_SHA_256",
  "RSASSA_PSS_SHA_384",
  "RSASSA_PSS_SHA_512",
  "RSASSA_PKCS1_V1_5_SHA_256",
  "RSASSA_PKCS1_V1_5_SHA_384",
  "RSASSA_PKCS1_V1_5_SHA_512",
  "ED25519",
] as const satisfies readonly RouteReply<"sign">["algorithm"][];
