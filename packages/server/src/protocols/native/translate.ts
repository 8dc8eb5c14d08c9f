import type {
  AbilitiesView,
  AuditRecordView,
  AuditVerificationView,
  BackupView,
  ChangeView,
  ImportTokenView,
  KeyView,
  ObstacleView,
  PlanView,
  PrincipalView,
  ProjectView,
  RegistersView,
  RollbackView,
  TokenView,
  UnitView,
} from "@claviger/api";
import type { PrincipalRecord, TokenRecord } from "../../core/access/principal.ts";
import type { ImportTokenRecord, KeyRecord, ProjectRecord } from "../../core/hierarchy/records.ts";
import type { BackupReport } from "../../core/operations/list-backups.ts";
import type { ChangeReport } from "../../core/operations/report-change.ts";
import type { ChangePlan } from "../../core/operations/plan-change.ts";
import type { UnitReport } from "../../core/operations/report-units.ts";
import type { AuditItem, AuditVerified } from "../../core/ports/audit-log.ts";
import type { RollbackMark } from "../../core/ports/rollback-store.ts";
import type { TokenDescription, UnitAbilities } from "../../core/unit/crypto-unit.ts";

/** What the domain has, in the words of the API: times as RFC 3339, absence as null. */

export const at = (ms: number): string => new Date(ms).toISOString();
const atOrNull = (ms: number | undefined): string | null => (ms === undefined ? null : at(ms));

export function projectView(project: ProjectRecord): ProjectView {
  return { id: project.id, name: project.name, createdAt: at(project.createdAtMs) };
}

export function keyView(key: KeyRecord): KeyView {
  const { id, projectId, name, spec, usage, origin, state, currentVersion } = key;
  return {
    id,
    projectId,
    name,
    spec,
    usage,
    origin,
    state,
    currentVersion,
    createdAt: at(key.createdAtMs),
    deletionAt: atOrNull(key.deletionDueMs),
    destroyedAt: atOrNull(key.destroyedAtMs),
  };
}

export function importTokenView(token: ImportTokenRecord): ImportTokenView {
  return {
    token: token.id,
    publicKey: Buffer.from(token.publicKey).toString("base64"),
    expiresAt: at(token.expiresAtMs),
  };
}

type Reading = NonNullable<UnitReport["registers"]>[number];

function registersView(reading: Reading): RegistersView {
  const { type, NEW, CURRENT, OLD } = reading;
  return {
    type,
    NEW: { state: NEW.state, vp: NEW.vp ?? null },
    CURRENT: { state: CURRENT.state, vp: CURRENT.vp ?? null },
    OLD: { state: OLD.state, vp: OLD.vp ?? null },
  };
}

export function unitView(unit: UnitReport): UnitView {
  return {
    address: unit.address,
    group: unit.group,
    adapter: unit.adapter,
    state: unit.state,
    reason: unit.reason ?? null,
    reachable: unit.registers !== undefined,
    fingerprint: unit.fingerprint,
    registers: (unit.registers ?? []).map(registersView),
    abilities: unit.abilities ? abilitiesView(unit.abilities) : null,
    token: unit.token ? tokenOfUnit(unit.token) : null,
    addedAt: at(unit.addedAtMs),
  };
}

function abilitiesView(abilities: UnitAbilities): AbilitiesView {
  const { payloadSuite, signingSpecs, importAlgorithms, ...more } = abilities;
  const { cloneForms, recallOld, keepsAnchors } = more;
  return {
    payloadSuite,
    signingSpecs: [...signingSpecs],
    importAlgorithms: [...importAlgorithms],
    cloneMasterKeys: cloneForms.length > 0,
    recallOld,
    keepsAnchors,
  };
}

function tokenOfUnit({ label, serial, isClonable }: TokenDescription): UnitView["token"] {
  return { label, serial, clonable: isClonable };
}

/** The registers of one type of some units: what the commands of custodians answer with. */
export function unitRegisters(units: readonly UnitReport[], type: RegistersView["type"]) {
  return {
    units: units.flatMap(({ address, registers }) => {
      const reading = registers?.find((one) => one.type === type);
      return reading ? [{ address, registers: registersView(reading) }] : [];
    }),
  };
}

export function planView(plan: ChangePlan): PlanView {
  return { ...plan, to: plan.to ?? null, obstacles: plan.obstacles.map(obstacleView) };
}

function obstacleView(obstacle: ChangePlan["obstacles"][number]): ObstacleView {
  return { ...obstacle, unit: obstacle.unit ?? null };
}

export function changeView(report: ChangeReport): ChangeView {
  const { change, rows, sweeps, failures, history } = report;
  const { approval } = change;
  return {
    id: change.id,
    group: change.group,
    type: change.type,
    state: change.state,
    from: change.from,
    to: change.to ?? null,
    expectedVp: change.expectedVp ?? null,
    restores: change.restores ?? null,
    openedBy: change.openedBy,
    openedAt: at(change.openedAtMs),
    paused: change.paused,
    freeze: change.freeze,
    rowsPerSecond: change.rowsPerSecond ?? null,
    blockedReason: change.blockedReason ?? null,
    progress: {
      keks: rows.keks,
      lacking: rows.lacking,
      failed: rows.failed,
      verified: sweeps.map(({ unit, opened, complete, refused }) => ({
        unit,
        opened,
        complete: complete && refused.length === 0,
      })),
    },
    failures: failures.map(({ projectId, kekId, reason, attempt }) => ({
      projectId,
      kekId,
      reason,
      attempt,
    })),
    approval: approval
      ? {
          action: approval.action,
          inSpiteOf: [...(approval.inSpiteOf ?? [])],
          requestedBy: approval.requestedBy,
          requestedAt: at(approval.requestedAtMs),
          approvedBy: approval.approvedBy ?? null,
        }
      : null,
    history: history.map(({ atMs, state, by, note }) => ({ at: at(atMs), state, by, note })),
  };
}

export function principalView(principal: PrincipalRecord): PrincipalView {
  const { id, name, kind, state, grants, requestsPerSecond, identity, certificate } = principal;
  return {
    id,
    name,
    kind,
    state,
    grants: grants.map(({ role, projectId }) => ({ role, project: projectId ?? null })),
    requestsPerSecond: requestsPerSecond ?? null,
    identity: identity ?? null,
    certificate: certificate ?? null,
    createdAt: at(principal.createdAtMs),
  };
}

export function tokenView(token: TokenRecord, nowMs: number): TokenView {
  const { id, label, createdAtMs, expiresAtMs, revokedAtMs } = token;
  const isExpired = expiresAtMs !== undefined && expiresAtMs <= nowMs;
  return {
    id,
    label,
    state: revokedAtMs !== undefined ? "revoked" : isExpired ? "expired" : "valid",
    createdAt: at(createdAtMs),
    expiresAt: expiresAtMs === undefined ? null : at(expiresAtMs),
    revokedAt: revokedAtMs === undefined ? null : at(revokedAtMs),
  };
}

export function auditRecordView(item: AuditItem): AuditRecordView {
  return {
    chain: item.chain,
    seq: item.seq,
    at: item.at,
    operation: item.operation,
    outcome: item.outcome,
    request: item.request ?? null,
    principalId: item.principalId ?? null,
    principal: item.principal ?? null,
    project: item.project ?? null,
    key: item.key ?? null,
    version: item.version ?? null,
    context: item.context === undefined ? null : [...item.context],
    unit: item.unit ?? null,
    register: item.register ?? null,
    change: item.change ?? null,
    vp: item.vp ?? null,
    subject: item.subject ?? null,
    asked: item.asked ?? null,
    note: item.note ?? null,
  };
}

export function auditVerificationView(found: AuditVerified): AuditVerificationView {
  const { records, heads, chains, unsigned, signedBy, faults, faultCount } = found;
  return {
    verified: faultCount === 0,
    records,
    heads,
    chains: [...chains],
    unsigned,
    signedBy: [...signedBy],
    faultCount,
    faults: [...faults],
  };
}

export function backupView({ name, sizeBytes, header, work }: BackupReport): BackupView {
  const failure = work?.failure;
  const createdAtMs = header?.createdAtMs ?? work?.startedAtMs;
  return {
    name,
    state: work?.state ?? (header ? "complete" : "unreadable"),
    createdAt: createdAtMs === undefined ? null : at(createdAtMs),
    id: header?.id ?? null,
    sizeBytes: sizeBytes ?? null,
    rows: header ? header.tables.reduce((sum, { rows }) => sum + rows, 0) : (work?.rows ?? null),
    written: work?.written ?? null,
    masterKeys: (header?.masterKeys ?? []).map(({ group, type, patterns }) => ({
      group,
      type,
      vps: patterns.map(({ vp }) => vp),
    })),
    failure: failure
      ? {
          code: failure.code,
          category: failure.category,
          message: failure.message,
          advice: failure.advice,
        }
      : null,
  };
}

export function rollbackView({ reason, asOfMs, markedAtMs }: RollbackMark): RollbackView {
  return { reason, asOf: asOfMs === undefined ? null : at(asOfMs), markedAt: at(markedAtMs) };
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
