import { Type, type Static, type TSchema } from "typebox";

/** The words that requests and replies share: names, addresses, patterns, states. Limits are stated here and nowhere else. */

/** Largest request body that the service reads, in bytes. */
export const BODY_LIMIT_BYTES = 128 * 1024;
/** Largest plaintext of one `encrypt`, in bytes: larger data belongs under a data key. */
export const PLAINTEXT_LIMIT_BYTES = 64 * 1024;

const base64 = (limitBytes: number, description: string) =>
  Type.String({
    pattern: "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
    maxLength: Math.ceil(limitBytes / 3) * 4,
    description,
  });

export const ROLES = ["administrator", "custodian", "operator", "key-admin", "key-user", "auditor"] as const;
export type Role = (typeof ROLES)[number];
/** Longest life of a token that is given one, in seconds: ten years. */
export const TOKEN_SECONDS_LIMIT = 315_360_000;

export const CHANGE_STATES = [
  "PLANNED",
  "STAGED",
  "REENCIPHERING",
  "READY",
  "ACTIVATING",
  "ACTIVATED",
  "FINALIZING",
  "DONE",
  "PURGED",
  "CANCELING",
  "CANCELED",
] as const;
export type ChangeStateName = (typeof CHANGE_STATES)[number];

export const KEY_STATES = ["pending-import", "enabled", "disabled", "pending-deletion", "destroyed"] as const;
export const KEY_SPECS = ["AES_256", "EC_P256", "EC_P384", "RSA_3072", "ED25519"] as const;
/** Those of them that sign. */
export const SIGNING_SPECS = ["EC_P256", "EC_P384", "RSA_3072", "ED25519"] as const;
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
] as const;
export const KEY_ORIGINS = ["generated", "imported"] as const;
/** How material may be wrapped for the public key of an import token (RFC 8017 §7.1, PKCS#11 v2.40 §2.1.21). */
export const IMPORT_ALGORITHMS = ["RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_256"] as const;

export const UNIT_STATES = ["joining", "serving", "quarantined", "leaving"] as const;

/** A closed set of strings. */
export const oneOf = <const Names extends string[]>(
  names: readonly [...Names],
  options: Record<string, unknown> = {},
) => Type.Enum<Names>(names, options);

export const Name = Type.String({
  pattern: "^(?![0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$)[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$",
  description:
    "1 to 64 characters: lower-case letters, digits, dot, hyphen, underscore; begins and ends with a letter or digit; no UUID, which would be taken for an id",
});
export const Uuid = Type.String({
  pattern: "^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
  description: "UUID",
});
export const NameOrId = Type.String({
  pattern: "^[a-z0-9][a-z0-9._-]{0,63}$",
  description: "a name, or a UUID",
});
export const Address = Type.String({
  pattern: "^[0-9a-f]{2}\\.[0-9a-f]{4}$",
  description: "card.domain in hex, as 03.0033",
});
export const Pattern = Type.String({
  pattern: "^[0-9a-f]{64}$",
  description: "verification pattern, 32 bytes in hex",
});
export const BackupName = Type.String({
  pattern: "^claviger-[0-9A-Za-z]{1,64}\\.backup$",
  description: "name of a backup in the folder of backups",
});
export const TypedPattern = Type.String({
  pattern: "^[0-9a-fA-F]{32,64}$",
  description: "verification pattern as a person types it: its first 16 bytes or more, in hex",
});
export const MasterKeyTypeName = oneOf(["WK", "SYM", "ASYM", "AES", "APKA"], {
  description: "master key type",
});
export const RegisterName = oneOf(["NEW", "CURRENT", "OLD"]);
export const Fingerprint = Type.String({
  pattern: "^[0-9a-f]{64}$",
  description: "SHA-256 of the certificate in DER form, in lower-case hex",
});
export const Timestamp = Type.String({ format: "date-time", description: "RFC 3339, UTC" });
/**
 * What a schema of one type allows, or null. Said by `type`, not by `anyOf`: a serializer must try the branches of that
 * one by one, with a validator that it compiles when the first reply waits for it.
 */
export const Nullable = <S extends TSchema & { readonly type: string }>(schema: S) => {
  const type: readonly [S["type"], "null"] = [schema.type, "null"];
  const nullable: Omit<S, "type"> & { readonly type: typeof type } = { ...schema, type };
  return Type.Unsafe<Static<S> | null>(nullable) as ReturnType<typeof Type.Unsafe<Static<S> | null>> &
    typeof nullable;
};

export const Context = Type.Record(
  Type.String({ pattern: "^[\\s\\S]{1,256}$" }),
  Type.String({ maxLength: 4096 }),
  {
    maxProperties: 64,
    additionalProperties: false,
    description:
      "encryption context: authenticated with the ciphertext, not secret; the same pairs, in any order, must be given to decrypt",
  },
);
export type Context = Static<typeof Context>;

export const Message = base64(PLAINTEXT_LIMIT_BYTES, "message in base64, at most 64 KiB");
export const Signature = base64(
  1024,
  "signature in base64: ECDSA in DER (RFC 3279), RSA as 384 bytes, Ed25519 as 64",
);
export const PublicKey = base64(8192, "DER SubjectPublicKeyInfo in base64");
export const WrappedMaterial = base64(1024, "material, wrapped for the public key of the token, in base64");
export const Plaintext = base64(PLAINTEXT_LIMIT_BYTES, "plaintext in base64, at most 64 KiB");
export const Ciphertext = base64(
  PLAINTEXT_LIMIT_BYTES + 256,
  "ciphertext in base64, as encrypt or data-key returned it",
);

export const CategoryName = oneOf([
  "invalid",
  "unauthenticated",
  "forbidden",
  "absent",
  "conflict",
  "precondition",
  "blocked",
  "throttled",
  "unavailable",
  "internal",
]);

/** What every refusal looks like. `code` is one of docs/errors.md and stable. */
export const ErrorReply = Type.Object({
  error: Type.Object({
    code: Type.String({ description: "stable code; docs/errors.md lists them" }),
    category: CategoryName,
    message: Type.String({ description: "what happened" }),
    advice: Type.String({ description: "what to do now" }),
    field: Type.Optional(Type.String({ description: "the input at fault" })),
    requestId: Type.String(),
  }),
});
export type ErrorReply = Static<typeof ErrorReply>;
export type ErrorCategory = ErrorReply["error"]["category"];
