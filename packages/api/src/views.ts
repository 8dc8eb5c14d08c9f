import { Type, type Static } from "typebox";
import {
  Address,
  CHANGE_STATES,
  MasterKeyTypeName,
  Name,
  Nullable,
  Pattern,
  ROLES,
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
  spec: oneOf(["AES_256"]),
  usage: oneOf(["ENCRYPT_DECRYPT"]),
  state: oneOf(["enabled", "disabled"]),
  currentVersion: Type.Integer({ minimum: 1 }),
  createdAt: Timestamp,
});
export type KeyView = Static<typeof KeyView>;

const Held = Type.Object({ state: oneOf(["empty", "valid"]), vp: Nullable(Pattern) });
export const RegistersView = Type.Object({
  type: MasterKeyTypeName,
  NEW: Type.Object({ state: oneOf(["empty", "full uncommitted", "full committed"]), vp: Nullable(Pattern) }),
  CURRENT: Held,
  OLD: Held,
});
export type RegistersView = Static<typeof RegistersView>;

export const UnitView = Type.Object({
  address: Address,
  group: Type.String(),
  adapter: oneOf(["software"]),
  state: oneOf(UNIT_STATES),
  reason: Nullable(Type.String({ description: "why it is quarantined or joining" })),
  reachable: Type.Boolean(),
  fingerprint: Type.String({ description: "SHA-256 of its public key, in hex" }),
  registers: Type.Array(RegistersView, { description: "empty while the unit is not reachable" }),
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
