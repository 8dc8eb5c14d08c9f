import { PLAINTEXT_LIMIT_BYTES } from "@claviger/api";
import type { Context } from "@claviger/api";
import type { AnchorKeeper } from "../../core/audit/anchor-keeper.ts";
import type { Touched } from "../../core/audit/audit-draft.ts";
import { Failure } from "../../core/errors.ts";
import type { ChangeId, GroupName, MasterKeyType, UnitAddress } from "../../core/ids.ts";
import { acceptRollback } from "../../core/operations/accept-rollback.ts";
import { activateChange } from "../../core/operations/activate-change.ts";
import { addUnit } from "../../core/operations/add-unit.ts";
import { approveChange } from "../../core/operations/approve-change.ts";
import { cancelChange } from "../../core/operations/cancel-change.ts";
import { cancelKeyDeletion } from "../../core/operations/cancel-key-deletion.ts";
import type { ChangeInput, ChangePorts } from "../../core/operations/change-ports.ts";
import { createChange } from "../../core/operations/create-change.ts";
import { createImportToken } from "../../core/operations/create-import-token.ts";
import { createKey } from "../../core/operations/create-key.ts";
import { createProject } from "../../core/operations/create-project.ts";
import { decrypt } from "../../core/operations/decrypt.ts";
import { encrypt } from "../../core/operations/encrypt.ts";
import { exportPublicKey } from "../../core/operations/export-public-key.ts";
import { finalizeChange } from "../../core/operations/finalize-change.ts";
import { generateDataKey } from "../../core/operations/generate-data-key.ts";
import { importKeyMaterial } from "../../core/operations/import-key-material.ts";
import {
  clearNewMasterKey,
  commitMasterKey,
  copyMasterKey,
  generateMasterKey,
} from "../../core/operations/master-key-commands.ts";
import { listAuditKeys } from "../../core/operations/list-audit-keys.ts";
import { listBackups, readBackup, reportBackup, startBackup } from "../../core/operations/list-backups.ts";
import { listProjects } from "../../core/operations/list-projects.ts";
import { planChange } from "../../core/operations/plan-change.ts";
import { purgeChange } from "../../core/operations/purge-change.ts";
import { quarantineUnit } from "../../core/operations/quarantine-unit.ts";
import { readmitUnit } from "../../core/operations/readmit-unit.ts";
import { pauseChange, reencipherChange, resumeChange } from "../../core/operations/reencipher-change.ts";
import { removeUnit } from "../../core/operations/remove-unit.ts";
import { listChangeReports, reportChange } from "../../core/operations/report-change.ts";
import { reasonsNotReady, reportStatus } from "../../core/operations/report-status.ts";
import { reportUnit } from "../../core/operations/report-units.ts";
import { restoreChange } from "../../core/operations/restore-change.ts";
import { rotateKey } from "../../core/operations/rotate-key.ts";
import { scheduleKeyDeletion } from "../../core/operations/schedule-key-deletion.ts";
import type { AuditReader } from "../../core/ports/audit-log.ts";
import type { ServicePorts } from "../../core/operations/service-ports.ts";
import { setKeyState } from "../../core/operations/set-key-state.ts";
import type { BackupPorts } from "../../core/operations/list-backups.ts";
import { sign } from "../../core/operations/sign.ts";
import { verify } from "../../core/operations/verify.ts";
import { PAGE_ITEMS, pageInput, pageView } from "./page-view.ts";
import { principalHandlers } from "./principal-handlers.ts";
import type { NativeHandlers, SignInHandlers } from "./routes.ts";
import { signInHandlers } from "./sign-in-handlers.ts";
import {
  auditRecordView,
  auditVerificationView,
  backupView,
  changeView,
  importTokenView,
  keyView,
  planView,
  projectView,
  rollbackView,
  unitRegisters,
  unitView,
} from "./translate.ts";

const EXPORT_PAGE = 1000;
const DATA_KEY_BYTES = 32;
const BACKUP_PIECE_BYTES = 1024 * 1024;

/** Every native route as one call of the domain: translate, call, translate back. */
export function nativeHandlers(
  ports: ServicePorts &
    BackupPorts & {
      readonly audit: AuditReader;
      readonly anchors: AnchorKeeper;
      /** Why the audit log cannot be written. */
      readonly auditTroubles: () => readonly string[];
    },
): NativeHandlers & SignInHandlers {
  const { audit, keys, store, units } = ports;

  const projectNamed = async (params: { project: string; key?: string }, touched: Touched) => {
    const project = await keys.project(params.project);
    touched.project = project.id;
    touched.asked = params.key;
    return project;
  };
  const keyNamed = async (params: { project: string; key: string }, touched: Touched) => {
    const project = await projectNamed(params, touched);
    const key = await keys.key(project.id, params.key);
    touched.key = key.id;
    touched.version = key.currentVersion;
    touched.asked = undefined;
    return { project, key };
  };
  const unitNamed = (params: { unit: string }, touched: Touched): UnitAddress => {
    const { record } = units.find(params.unit as UnitAddress);
    touched.unit = record.address;
    touched.asked = undefined;
    return record.address;
  };
  const shown = (address: UnitAddress) => unitView(reportUnit(units.find(address)));
  const changeNamed = (params: { readonly change: string }, touched: Touched): ChangeId => {
    touched.change = params.change;
    touched.asked = undefined;
    return params.change as ChangeId;
  };
  const change = async (id: string) => changeView(await reportChange(ports, { id: id as ChangeId }));
  const verb =
    (act: (ports: ChangePorts, input: ChangeInput) => Promise<{ readonly id: ChangeId }>) =>
    async (
      { params }: { readonly params: { readonly change: string } },
      { name: by }: { readonly name: string },
      touched: Touched,
    ) => {
      const id = changeNamed(params, touched);
      return change((await act(ports, { change: id, by })).id);
    };

  return {
    getStatus: async () => {
      const reasons = [...(await reasonsNotReady(ports)), ...ports.auditTroubles()];
      const groups = (await reportStatus(ports)).map((group) => ({
        ...group,
        openChange: group.openChange ?? null,
      }));
      return { version: ports.version, ready: reasons.length === 0, reasons, groups };
    },
    getCensus: async ({ query }) => {
      const scope = scopeOf(query);
      const patterns = await store.census(scope);
      return {
        ...scope,
        total: patterns.reduce((sum, line) => sum + line.current, 0),
        patterns: [...patterns],
      };
    },

    createProject: async ({ body }, _caller, touched) => {
      touched.asked = body.name;
      return projectView(await createProject(ports, body));
    },
    listProjects: async ({ query }, caller) =>
      pageView(await listProjects(ports, { ...pageInput(query), caller }), projectView),
    createKey: async ({ params, body }, _caller, touched) => {
      const project = await projectNamed(params, touched);
      touched.asked = body.name;
      return keyView(await createKey(ports, { project, ...body }));
    },
    listKeys: async ({ params, query }, _caller, touched) => {
      const project = await projectNamed(params, touched);
      const destroyed = query.include === "destroyed";
      const page = { projectId: project.id, destroyed, ...pageInput(query) };
      return pageView(await store.listKeys(page), keyView);
    },
    getKey: async ({ params }, _caller, touched) => keyView((await keyNamed(params, touched)).key),
    rotateKey: async ({ params }, _caller, touched) =>
      keyView(await rotateKey(ports, await keyNamed(params, touched))),
    enableKey: async ({ params }, _caller, touched) =>
      keyView(await setKeyState(ports, { key: (await keyNamed(params, touched)).key, state: "enabled" })),
    disableKey: async ({ params }, _caller, touched) =>
      keyView(await setKeyState(ports, { key: (await keyNamed(params, touched)).key, state: "disabled" })),
    scheduleKeyDeletion: async ({ params, body }, _caller, touched) => {
      const { key } = await keyNamed(params, touched);
      return keyView(await scheduleKeyDeletion(ports, { key, days: body.days }));
    },
    cancelKeyDeletion: async ({ params }, _caller, touched) =>
      keyView(await cancelKeyDeletion(ports, await keyNamed(params, touched))),

    createImportToken: async ({ params }, _caller, touched) =>
      importTokenView(await createImportToken(ports, await keyNamed(params, touched))),
    importKey: async ({ params, body }, _caller, touched) => {
      const { key } = await keyNamed(params, touched);
      const { token: tokenId, algorithm } = body;
      const wrapped = Buffer.from(body.wrapped, "base64");
      return keyView(await importKeyMaterial(ports, { key, tokenId, algorithm, wrapped }));
    },

    encrypt: async ({ params, body }, _caller, touched) => {
      touched.context = namesOf(body.context);
      const { key } = await keyNamed(params, touched);
      const plaintext = Buffer.from(body.plaintext, "base64");
      if (plaintext.byteLength > PLAINTEXT_LIMIT_BYTES) {
        throw new Failure("invalid-request", `plaintext has more than ${PLAINTEXT_LIMIT_BYTES} bytes`, {
          field: "plaintext",
        });
      }
      const ciphertext = await encrypt(ports, { key, plaintext, context: body.context ?? {} });
      plaintext.fill(0);
      return { ciphertext: base64(ciphertext), keyId: key.id, keyVersion: key.currentVersion };
    },
    decrypt: async ({ params, body }, _caller, touched) => {
      touched.context = namesOf(body.context);
      const project = await projectNamed(params, touched);
      const ciphertext = Buffer.from(body.ciphertext, "base64");
      const { keyId, keyVersion, ...opened } = await decrypt(ports, {
        project,
        ciphertext,
        context: body.context ?? {},
        onKey: (named) => Object.assign(touched, named),
      });
      using plaintext = opened.plaintext;
      return { plaintext: ports.toBase64(plaintext), keyId, keyVersion };
    },
    generateDataKey: async ({ params, body }, _caller, touched) => {
      touched.context = namesOf(body.context);
      const { key } = await keyNamed(params, touched);
      const lengthBytes = body.lengthBytes ?? DATA_KEY_BYTES;
      const { ciphertext, ...made } = await generateDataKey(ports, {
        key,
        lengthBytes,
        context: body.context ?? {},
      });
      using plaintext = made.plaintext;
      return {
        plaintext: ports.toBase64(plaintext),
        ciphertext: base64(ciphertext),
        keyId: key.id,
        keyVersion: key.currentVersion,
      };
    },

    sign: async ({ params, body }, _caller, touched) => {
      const { key } = await keyNamed(params, touched);
      const message = Buffer.from(body.message, "base64");
      const { signature, ...used } = await sign(ports, { key, ...body, message });
      touched.version = used.keyVersion;
      return { signature: base64(signature), keyId: key.id, ...used };
    },
    verify: async ({ params, body }, _caller, touched) => {
      const { key } = await keyNamed(params, touched);
      const message = Buffer.from(body.message, "base64");
      const signature = Buffer.from(body.signature, "base64");
      return { keyId: key.id, ...(await verify(ports, { key, ...body, message, signature })) };
    },
    exportPublicKey: async ({ params, query }, _caller, touched) => {
      const { key } = await keyNamed(params, touched);
      const { algorithms, ...exported } = await exportPublicKey(ports, { key, keyVersion: query.version });
      return { keyId: key.id, algorithms: [...algorithms], ...exported };
    },

    listUnits: async () => {
      await Promise.all(units.all().map(({ record }) => units.refresh(record.address)));
      return { items: units.all().map((unit) => unitView(reportUnit(unit))) };
    },
    getUnit: async ({ params }, _caller, touched) => {
      const address = unitNamed(params, touched);
      await units.refresh(address);
      return shown(address);
    },
    addUnit: async ({ body }, { name: by }, touched) => {
      touched.unit = body.address;
      const { group } = scopeOf(body);
      return unitView(
        reportUnit(await addUnit(ports, { address: body.address as UnitAddress | undefined, group, by })),
      );
    },
    removeUnit: async ({ params }, { name: by }, touched) =>
      unitView(reportUnit(await removeUnit(ports, { address: unitNamed(params, touched), by }))),
    quarantineUnit: async ({ params, body }, { name: by }, touched) => {
      const address = unitNamed(params, touched);
      const unit = await quarantineUnit(ports, { address, reason: body.reason, by });
      ports.runner.wake();
      return unitView(reportUnit(unit));
    },
    readmitUnit: async ({ params }, { name: by }, touched) => {
      const unit = await readmitUnit(ports, { address: unitNamed(params, touched), by });
      ports.runner.wake();
      return unitView(reportUnit(unit));
    },

    generateMasterKey: async ({ body }, _caller, touched) => {
      const scope = scopeOf(body);
      Object.assign(touched, { unit: body.unit, register: "NEW" });
      const changed = await generateMasterKey(ports, {
        ...scope,
        unit: body.unit as UnitAddress | undefined,
      });
      return unitRegisters(changed.map(reportUnit), scope.type);
    },
    copyMasterKey: async ({ body }, _caller, touched) => {
      const scope = scopeOf(body);
      Object.assign(touched, { unit: body.from, register: body.register ?? "NEW" });
      const changed = await copyMasterKey(ports, {
        ...scope,
        register: body.register ?? "NEW",
        from: body.from as UnitAddress | undefined,
        to: body.to as UnitAddress[] | undefined,
      });
      ports.runner.wake();
      return unitRegisters(changed.map(reportUnit), scope.type);
    },
    commitMasterKey: async ({ body }, _caller, touched) => {
      const scope = scopeOf(body);
      Object.assign(touched, { unit: body.unit, register: "NEW", vp: body.vp.toLowerCase() });
      const changed = await commitMasterKey(ports, {
        ...scope,
        vp: body.vp,
        unit: body.unit as UnitAddress | undefined,
      });
      ports.runner.wake();
      return unitRegisters(changed.map(reportUnit), scope.type);
    },
    clearNewMasterKey: async ({ body }, _caller, touched) => {
      const scope = scopeOf(body);
      Object.assign(touched, { unit: body.unit, register: "NEW", vp: body.vp.toLowerCase() });
      const changed = await clearNewMasterKey(ports, {
        ...scope,
        vp: body.vp,
        unit: body.unit as UnitAddress | undefined,
      });
      ports.runner.wake();
      return unitRegisters(changed.map(reportUnit), scope.type);
    },

    planChange: async ({ query }) => planView(await planChange(ports, scopeOf(query))),
    createChange: async ({ body }, { name: by }) => {
      const { expectedVp, freeze = "none", rowsPerSecond } = body;
      const input = { ...scopeOf(body), expectedVp, freeze, rowsPerSecond, restores: undefined, by };
      return change((await createChange(ports, input)).id);
    },
    listChanges: async ({ query }) => pageView(await listChangeReports(ports, pageInput(query)), changeView),
    getChange: async ({ params }, _caller, touched) => change(changeNamed(params, touched)),
    reencipherChange: verb(reencipherChange),
    pauseChange: verb(pauseChange),
    resumeChange: verb(resumeChange),
    activateChange: async ({ params, body }, { name: by }, touched) => {
      touched.vp = body.vp.toLowerCase();
      const input = {
        change: changeNamed(params, touched),
        by,
        vp: body.vp,
        override: body.override ?? false,
      };
      return change((await activateChange(ports, input)).id);
    },
    finalizeChange: verb(finalizeChange),
    cancelChange: verb(cancelChange),
    restoreChange: verb(restoreChange),
    approveChange: verb(approveChange),
    purgeChange: verb(purgeChange),

    ...principalHandlers(ports),
    ...signInHandlers(ports),

    listAudit: async ({ query }) => {
      const { order = "newest", limit = PAGE_ITEMS, after, ...filter } = query;
      const page = { order, limit, after: placeOf(after) };
      const { items, next } = await audit.list({ ...filter, ...page });
      return { items: items.map(auditRecordView), next: next === undefined ? null : String(next) };
    },
    verifyAudit: async () => auditVerificationView(await audit.verify()),
    exportAudit: async ({ query }) => {
      const page = { after: query.after, limit: query.limit ?? EXPORT_PAGE };
      const { lines, next } = await audit.exportPage(page);
      return { lines, next: next ?? null };
    },
    listAuditKeys: async () => ({ items: await listAuditKeys(ports) }),
    archiveAudit: async ({ body }) => {
      const { file, records } = await audit.archive({ before: body.before });
      return { file: file ?? null, records };
    },

    createBackup: async () => backupView(startBackup(ports)),
    listBackups: async () => ({ items: (await listBackups(ports)).map(backupView) }),
    getBackup: async ({ params }) => backupView(await reportBackup(ports, { name: params.backup })),
    readBackup: async ({ params, query }) => {
      const offset = query.offset ?? 0;
      const input = { name: params.backup, offset, lengthBytes: BACKUP_PIECE_BYTES };
      const { sizeBytes, bytes } = await readBackup(ports, input);
      return { sizeBytes, bytes: base64(bytes) };
    },
    acceptRollback: async (_input, { name: by }) => ({
      accepted: (await acceptRollback(ports, { by })).map(rollbackView),
    }),
  };
}

function scopeOf(input: { readonly group?: string; readonly type?: MasterKeyType }): {
  group: GroupName;
  type: MasterKeyType;
} {
  return { group: (input.group ?? "default") as GroupName, type: input.type ?? "WK" };
}

/** Behind which record a page of the audit log begins. */
function placeOf(after: string | undefined): number | "end" | undefined {
  if (after === undefined || after === "end") return after;
  return Number(after);
}

/** Names of an encryption context: all that is recorded of it. */
function namesOf(context: Context | undefined): readonly string[] | undefined {
  return context && Object.keys(context);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
