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

export const UNIT_STATES = ["joining", "serving", "quarantined"] as const;

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

export const Plaintext = base64(PLAINTEXT_LIMIT_BYTES, "plaintext in base64, at most 64 KiB");
export const Ciphertext = base64(
  PLAINTEXT_LIMIT_BYTES + 256,
  "ciphertext in base64, as encrypt or data-key returned it",
);

/** What every refusal looks like. `code` is one of docs/errors.md and stable. */
export const ErrorReply = Type.Object({
  error: Type.Object({
    code: Type.String({ description: "stable code; docs/errors.md lists them" }),
    category: oneOf([
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
    ]),
    message: Type.String({ description: "what happened" }),
    advice: Type.String({ description: "what to do now" }),
    field: Type.Optional(Type.String({ description: "the input at fault" })),
    requestId: Type.String(),
  }),
});
export type ErrorReply = Static<typeof ErrorReply>;
export type ErrorCategory = ErrorReply["error"]["category"];
