import { Type, type Static } from "typebox";
import {
  Address,
  BackupName,
  CHANGE_STATES,
  IMPORT_ALGORITHMS,
  KEY_ORIGINS,
  KEY_SPECS,
  KEY_STATES,
  CategoryName,
  MasterKeyTypeName,
  Name,
  Nullable,
  Pattern,
  PublicKey,
  ROLES,
  SIGNING_SPECS,
  SIGNATURE_ALGORITHMS,
  Timestamp,
  UNIT_STATES,
  Uuid,
  oneOf,
} from "./words.ts";

/** What replies show of the things that Claviger keeps. */

export const ProjectView = Type.Object({ id: Uuid, name: Type.String(), createdAt: Timestamp });
export type ProjectView = Static<typeof ProjectView>;

export const KeyView = Type.Object({
  id: Uuid,
  projectId: Uuid,
  name: Name,
  spec: oneOf(KEY_SPECS),
  usage: oneOf(["ENCRYPT_DECRYPT", "SIGN_VERIFY"]),
  origin: oneOf(KEY_ORIGINS),
  state: oneOf(KEY_STATES),
  currentVersion: Type.Integer({ minimum: 0, description: "0 while it waits for its first material" }),
  createdAt: Timestamp,
  deletionAt: Nullable(Timestamp),
  destroyedAt: Nullable(Timestamp),
});
export type KeyView = Static<typeof KeyView>;

export const PublicKeyView = Type.Object({
  keyId: Uuid,
  keyVersion: Type.Integer({ minimum: 1 }),
  spec: oneOf(SIGNING_SPECS),
  algorithms: Type.Array(oneOf(SIGNATURE_ALGORITHMS), { description: "the usual one first" }),
  pem: Type.String({ description: "SubjectPublicKeyInfo (RFC 7468 §13)" }),
  jwk: Type.Object(
    {
      kty: Type.String(),
      crv: Type.Optional(Type.String()),
      x: Type.Optional(Type.String()),
      y: Type.Optional(Type.String()),
      n: Type.Optional(Type.String()),
      e: Type.Optional(Type.String()),
      kid: Type.String({ description: "key id / version" }),
      use: oneOf(["sig"]),
      alg: Type.Optional(Type.String({ description: "where the key has only one algorithm" })),
    },
    { description: "RFC 7517, RFC 7518 §6, RFC 8037 §2" },
  ),
});
export type PublicKeyView = Static<typeof PublicKeyView>;

export const ImportTokenView = Type.Object({
  token: Uuid,
  publicKey: PublicKey,
  expiresAt: Timestamp,
});
export type ImportTokenView = Static<typeof ImportTokenView>;

const Held = Type.Object({ state: oneOf(["empty", "valid"]), vp: Nullable(Pattern) });
export const RegistersView = Type.Object({
  type: MasterKeyTypeName,
  NEW: Type.Object({ state: oneOf(["empty", "full uncommitted", "full committed"]), vp: Nullable(Pattern) }),
  CURRENT: Held,
  OLD: Held,
});
export type RegistersView = Static<typeof RegistersView>;

/** What a unit can do beside what every unit can. */
export const AbilitiesView = Type.Object(
  {
    payloadSuite: Type.Integer({
      description: "what it seals with (wrapped-key-format.md §6); it opens all",
    }),
    signingSpecs: Type.Array(oneOf(SIGNING_SPECS), { description: "the keys that it makes and signs with" }),
    importAlgorithms: Type.Array(oneOf(IMPORT_ALGORITHMS), { description: "how material is brought in" }),
    cloneMasterKeys: Type.Boolean({
      description: "master keys can go to and come from another unit, where they were made clonable",
    }),
    recallOld: Type.Boolean({ description: "NEW can be filled from OLD" }),
    keepsAnchors: Type.Boolean({ description: "it remembers how far database and audit log had come" }),
  },
  { description: "null while the unit was not opened" },
);
export type AbilitiesView = Static<typeof AbilitiesView>;

export const UnitView = Type.Object({
  address: Address,
  group: Type.String(),
  adapter: oneOf(["software", "pkcs11"]),
  state: oneOf(UNIT_STATES),
  reason: Nullable(Type.String({ description: "why it is quarantined, joining or leaving" })),
  reachable: Type.Boolean(),
  fingerprint: Type.String({ description: "SHA-256 of its public key, in hex" }),
  registers: Type.Array(RegistersView, { description: "empty while the unit is not reachable" }),
  abilities: Nullable(AbilitiesView),
  token: Nullable(
    Type.Object(
      {
        label: Type.String(),
        serial: Type.String(),
        clonable: Type.Boolean({ description: "new master keys are made so that they can be copied" }),
      },
      { description: "the PKCS#11 token that it is; null for a software unit, and while it was not opened" },
    ),
  ),
  addedAt: Timestamp,
});
export type UnitView = Static<typeof UnitView>;

export const CensusView = Type.Object({
  group: Type.String(),
  type: MasterKeyTypeName,
  total: Type.Integer({ description: "project KEKs of this group and type" }),
  patterns: Type.Array(
    Type.Object({
      vp: Pattern,
      current: Type.Integer({ description: "KEKs whose wrapped form in use is under this pattern" }),
      next: Type.Integer({ description: "KEKs that also have a form under this pattern for an open change" }),
      previous: Type.Integer({
        description: "KEKs that keep a form under this pattern from before a change",
      }),
    }),
  ),
});
export type CensusView = Static<typeof CensusView>;

export const ObstacleView = Type.Object({
  what: Type.String({ description: "one sentence: what stands in the way, and of which unit or row" }),
  advice: Type.String(),
  unit: Nullable(Address),
  overridable: Type.Boolean({
    description: "whether `change activate --override` with a second principal's approval may pass it",
  }),
});
export type ObstacleView = Static<typeof ObstacleView>;

export const PlanView = Type.Object({
  group: Type.String(),
  type: MasterKeyTypeName,
  from: Nullable(Pattern),
  to: Nullable(Pattern),
  keks: Type.Integer(),
  sampled: Type.Integer({ description: "KEKs that were opened under CURRENT for this plan" }),
  sampleFailed: Type.Integer(),
  estimatedSeconds: Type.Number(),
  obstacles: Type.Array(ObstacleView),
});
export type PlanView = Static<typeof PlanView>;

export const ChangeView = Type.Object({
  id: Uuid,
  group: Type.String(),
  type: MasterKeyTypeName,
  state: oneOf(CHANGE_STATES),
  from: Pattern,
  to: Nullable(Pattern),
  expectedVp: Nullable(Type.String()),
  restores: Nullable(Uuid),
  openedBy: Type.String(),
  openedAt: Timestamp,
  paused: Type.Boolean(),
  freeze: oneOf(["none", "mutations"]),
  rowsPerSecond: Nullable(Type.Integer({ minimum: 1 })),
  blockedReason: Nullable(Type.String()),
  progress: Type.Object({
    keks: Type.Integer({ description: "project KEKs of this group and type" }),
    lacking: Type.Integer({ description: "KEKs without a verified form under the target" }),
    failed: Type.Integer({ description: "KEKs whose last attempt of this change failed" }),
    /** Rows opened under the target on each unit since it activated. */
    verified: Type.Array(Type.Object({ unit: Address, opened: Type.Integer(), complete: Type.Boolean() })),
  }),
  failures: Type.Array(
    Type.Object({ projectId: Uuid, kekId: Uuid, reason: Type.String(), attempt: Type.Integer() }),
    { description: "at most 100 of the KEKs that failed" },
  ),
  approval: Nullable(
    Type.Object({
      action: oneOf(["purge", "override"]),
      inSpiteOf: Type.Array(Type.String(), {
        description: "of an override: what is in the way, and would be approved; nothing else is",
      }),
      requestedBy: Type.String(),
      requestedAt: Timestamp,
      approvedBy: Nullable(Type.String()),
    }),
  ),
  history: Type.Array(
    Type.Object({ at: Timestamp, state: oneOf(CHANGE_STATES), by: Type.String(), note: Type.String() }),
  ),
});
export type ChangeView = Static<typeof ChangeView>;

export const StatusView = Type.Object({
  version: Type.String(),
  ready: Type.Boolean(),
  reasons: Type.Array(Type.String(), { description: "why it is not ready" }),
  groups: Type.Array(
    Type.Object({
      group: Type.String(),
      type: MasterKeyTypeName,
      current: Pattern,
      openChange: Nullable(Uuid),
      keks: Type.Integer(),
      unitsServing: Type.Integer(),
      units: Type.Integer(),
    }),
  ),
});
export type StatusView = Static<typeof StatusView>;

export const PrincipalView = Type.Object({
  id: Uuid,
  name: Type.String(),
  kind: oneOf(["person", "service"]),
  state: oneOf(["enabled", "disabled"]),
  grants: Type.Array(
    Type.Object({
      role: oneOf(ROLES),
      project: Nullable(Type.String({ description: "id of the project; null: the whole service" })),
    }),
  ),
  requestsPerSecond: Nullable(Type.Integer({ description: "null: what the configuration says" })),
  identity: Nullable(
    Type.Object(
      { issuer: Type.String(), subject: Type.String() },
      { description: "what a person signs in as; null: nobody signs in as this principal" },
    ),
  ),
  certificate: Nullable(
    Type.String({ description: "SHA-256 of its client certificate, in hex; null: it has none" }),
  ),
  createdAt: Timestamp,
});
export type PrincipalView = Static<typeof PrincipalView>;

export const TokenView = Type.Object({
  id: Uuid,
  label: Type.String(),
  state: oneOf(["valid", "expired", "revoked"]),
  createdAt: Timestamp,
  expiresAt: Nullable(Timestamp),
  revokedAt: Nullable(Timestamp),
});
export type TokenView = Static<typeof TokenView>;
export const BackupView = Type.Object({
  name: BackupName,
  state: oneOf(["writing", "complete", "failed", "unreadable"], {
    description: "`unreadable`: a file whose beginning is damaged, or of a newer release",
  }),
  createdAt: Nullable(Timestamp),
  id: Nullable(Uuid),
  sizeBytes: Nullable(Type.Integer({ description: "once it is complete" })),
  rows: Nullable(Type.Integer({ description: "rows of the database that it holds, or is to hold" })),
  written: Nullable(Type.Integer({ description: "how many are in it so far, while it is written" })),
  masterKeys: Type.Array(
    Type.Object({ group: Type.String(), type: MasterKeyTypeName, vps: Type.Array(Pattern) }),
    { description: "master keys that wrapped keys in it are under" },
  ),
  failure: Nullable(
    Type.Object(
      { code: Type.String(), category: CategoryName, message: Type.String(), advice: Type.String() },
      {
        description: "why it was not written",
      },
    ),
  ),
});
export type BackupView = Static<typeof BackupView>;

export const RollbackView = Type.Object({
  reason: Type.String({ description: "what made the database one of an earlier moment" }),
  asOf: Nullable(Timestamp),
  markedAt: Timestamp,
});
export type RollbackView = Static<typeof RollbackView>;
