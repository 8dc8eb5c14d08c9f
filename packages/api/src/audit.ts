import { Type, type Static } from "typebox";
import { Name, Nullable, Timestamp, Uuid } from "./words.ts";

/** What replies show of the audit log. Its records, signed heads and keys as files: docs/audit.md. */

export const AuditRecordView = Type.Object({
  chain: Type.String({ description: "node/incarnation, two UUIDs" }),
  seq: Type.Integer({ description: "number in its chain, from 1" }),
  at: Timestamp,
  operation: Type.String({ description: "operationId of a route, or an event of the service itself" }),
  outcome: Type.String({ description: "`allowed`, `intended`, `alarm`, or the code of a failure" }),
  request: Nullable(Type.String()),
  principalId: Nullable(Type.String()),
  principal: Nullable(Type.String({ description: "name; `claviger` is the service itself" })),
  project: Nullable(Type.String()),
  key: Nullable(Type.String()),
  version: Nullable(Type.Integer()),
  context: Nullable(
    Type.Array(Type.String(), { description: "names of the encryption context, never values" }),
  ),
  unit: Nullable(Type.String()),
  register: Nullable(Type.String()),
  change: Nullable(Type.String()),
  vp: Nullable(Type.String()),
  subject: Nullable(Type.String({ description: "another thing it was done to, by its id" })),
  asked: Nullable(Type.String({ description: "what the request named, where it was not found" })),
  note: Nullable(Type.String()),
});
export type AuditRecordView = Static<typeof AuditRecordView>;

export const AuditFaultView = Type.Object({
  what: Type.String({ description: "stable; docs/audit.md explains each" }),
  chain: Type.String(),
  seq: Type.Integer({ description: "record, or the first of several" }),
  detail: Type.String(),
});

export const AuditVerificationView = Type.Object({
  verified: Type.Boolean({ description: "true when there is no fault" }),
  records: Type.Integer(),
  heads: Type.Integer({ description: "signed heads" }),
  chains: Type.Array(Type.Object({ chain: Type.String(), seq: Type.Integer(), hash: Type.String() })),
  unsigned: Type.Integer({ description: "records behind the last signed head" }),
  signedBy: Type.Array(Type.String(), { description: "fingerprints" }),
  faultCount: Type.Integer(),
  faults: Type.Array(AuditFaultView, { description: "the first thousand" }),
});
export type AuditVerificationView = Static<typeof AuditVerificationView>;

export const AuditKeyView = Type.Object({
  fingerprint: Type.String({ description: "SHA-256 of the key in DER, 64 hex digits" }),
  pem: Type.String(),
  createdAt: Timestamp,
  signs: Type.Boolean({ description: "whether it is the one that signs now" }),
});
export type AuditKeyView = Static<typeof AuditKeyView>;

export const AuditExportView = Type.Object({
  lines: Type.String({ description: "whole lines of the export: JSON, one object a line" }),
  next: Nullable(Type.String()),
});

export const AuditArchiveView = Type.Object({
  file: Nullable(Type.String({ description: "its name in the archive; null if there was nothing to move" })),
  records: Type.Integer(),
});
export type AuditArchiveView = Static<typeof AuditArchiveView>;

const closed = { additionalProperties: false } as const;

export const AuditQuery = Type.Object(
  {
    principal: Type.Optional(Type.String({ maxLength: 64, description: "name or id" })),
    project: Type.Optional(Uuid),
    key: Type.Optional(Uuid),
    operation: Type.Optional(Type.String({ pattern: "^[A-Za-z.-]{1,64}$" })),
    outcome: Type.Optional(Name),
    since: Type.Optional(Timestamp),
    until: Type.Optional(Timestamp),
    order: Type.Optional(
      Type.Enum(["newest", "oldest"], {
        description: "default newest; behind the last of the oldest, `next` waits for those to come",
      }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: "default 100" })),
    after: Type.Optional(
      Type.String({
        pattern: "^(?:[0-9]{1,15}|end)$",
        description: "`next` of the page before; `end`: behind the last record there is now",
      }),
    ),
  },
  closed,
);

export const AuditExportQuery = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 5000, description: "records; default 1000" })),
    after: Type.Optional(Type.String({ maxLength: 200, description: "`next` of the page before" })),
  },
  closed,
);

export const AuditArchiveBody = Type.Object(
  {
    before: Type.Optional({
      ...Timestamp,
      description: "only records that were signed before then; default now",
    }),
  },
  closed,
);
