import type { Role } from "@claviger/api";

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
