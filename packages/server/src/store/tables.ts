import type { Generated } from "kysely";
import type { PrincipalKind, PrincipalState } from "../core/access/principal.ts";
import type { ChangeState } from "../core/master-key-change/change.ts";
import type { KeySpec, KeyUsage } from "../core/hierarchy/key-specs.ts";
import type { KeyState } from "../core/hierarchy/key-states.ts";
import type { KeyOrigin } from "../core/hierarchy/records.ts";
import type { MasterKeyType } from "../core/ids.ts";
import type { RollbackMark } from "../core/ports/rollback-store.ts";
import type { UnitState } from "../core/ports/store.ts";
import type { UnitAdapter } from "../core/unit/crypto-unit.ts";

/**
 * The tables. Verification patterns are kept once, in `master_keys`; rows point at them by a small integer, so that the
 * indexes by pattern stay small and are written in the order of `n`. Times are milliseconds; identifiers are text.
 */
export interface Tables {
  schema_migrations: { id: number; name: string };
  fences: FenceTable;
  master_keys: { id: Generated<number>; fence_id: number; vp: string; first_seen_ms: number };
  projects: { n: Generated<number>; id: string; name: string; kek_id: string; created_at_ms: number };
  keks: KekTable;
  keys: KeyTable;
  key_versions: {
    key_id: string;
    version: number;
    project_id: string;
    kek_id: string;
    wrapped: Uint8Array;
    public_key: Uint8Array | null;
    created_at_ms: number;
    mac: Uint8Array;
  };
  import_tokens: {
    key_id: string;
    id: string;
    project_id: string;
    kek_id: string;
    public_key: Uint8Array;
    wrapped: Uint8Array;
    expires_at_ms: number;
    mac: Uint8Array;
  };
  principals: PrincipalTable;
  tokens: TokenTable;
  /** As release 0.1.0 kept them, until they are adopted. */
  former_principals: {
    id: string;
    name: string;
    roles: string;
    token_hash: Uint8Array;
    created_at_ms: number;
    mac: Uint8Array;
  };
  counters: { name: "revocations" | "mutations" | "epoch"; value: number };
  units: {
    address: string;
    unit_group: string;
    adapter: UnitAdapter;
    state: UnitState;
    reason: string | null;
    state_by: string;
    public_key: Uint8Array;
    added_at_ms: number;
  };
  register_generations: { unit: string; type: string; generation: number };
  changes: ChangeTable;
  change_history: {
    n: Generated<number>;
    change_id: string;
    at_ms: number;
    state: ChangeState;
    by_whom: string;
    note: string;
  };
  rewrap_leases: { owner: string; change_id: string; last_n: number; until_ms: number };
  sweeps: {
    change_id: string;
    unit: string;
    cursor_n: number;
    opened: number;
    refused: string;
    complete: number;
  };
  /** `draft` is JSON of AuditDraft. */
  audit_outbox: { id: Generated<number>; mark: string; draft: string };
  audit_keys: {
    n: Generated<number>;
    fingerprint: string;
    public_key: Uint8Array;
    sealed: Uint8Array;
    created_at_ms: number;
  };
  rollback_marks: {
    id: string;
    state: RollbackMark["state"];
    reason: string;
    as_of_ms: number | null;
    backup_id: string | null;
    rows_written: number;
    marked_at_ms: number;
    accepted_by: string | null;
    accepted_at_ms: number | null;
  };
}

interface PrincipalTable {
  n: Generated<number>;
  id: string;
  name: string;
  kind: PrincipalKind;
  state: PrincipalState;
  /** JSON list of `{ role, projectId? }`. */
  grants: string;
  requests_per_second: number | null;
  issuer: string | null;
  subject: string | null;
  certificate: string | null;
  created_at_ms: number;
  revision: number;
  mac: Uint8Array;
}

interface TokenTable {
  n: Generated<number>;
  id: string;
  principal_id: string;
  hash: Uint8Array;
  label: string;
  created_at_ms: number;
  expires_at_ms: number | null;
  revoked_at_ms: number | null;
  mac: Uint8Array;
}

interface FenceTable {
  id: Generated<number>;
  unit_group: string;
  key_type: MasterKeyType;
  generation: number;
  current_mk: number;
  target_mk: number | null;
  /** JSON list of master_keys ids. */
  must_wrap: string;
  frozen: number;
  open_change: string | null;
}

export interface KekTable {
  n: Generated<number>;
  id: string;
  project_id: string;
  fence_id: number;
  kcv: Uint8Array;
  wrapped: Uint8Array;
  mk: number;
  wrapped_new: Uint8Array | null;
  mk_new: number | null;
  wrapped_old: Uint8Array | null;
  mk_old: number | null;
  row_version: number;
  failed_change: string | null;
  failed_reason: string | null;
  failed_attempt: number | null;
  failed_at_ms: number | null;
}

interface KeyTable {
  n: Generated<number>;
  id: string;
  project_id: string;
  name: string;
  spec: KeySpec;
  usage: KeyUsage;
  origin: KeyOrigin;
  state: KeyState;
  current_version: number;
  created_at_ms: number;
  deletion_due_ms: number | null;
  destroyed_at_ms: number | null;
  revision: number;
  mac: Uint8Array;
}

interface ChangeTable {
  n: Generated<number>;
  id: string;
  fence_id: number;
  state: ChangeState;
  from_mk: number;
  to_mk: number | null;
  expected_vp: string | null;
  restores: string | null;
  opened_by: string;
  opened_at_ms: number;
  paused: number;
  freeze: "none" | "mutations";
  rows_per_second: number | null;
  canary: string | null;
  blocked_reason: string | null;
  /** JSON of Approval. */
  approval: string | null;
}
