import { PLAINTEXT_LIMIT_BYTES } from "@claviger/api";
import { Failure } from "../../core/errors.ts";
import type { ChangeId, GroupName, MasterKeyType, UnitAddress } from "../../core/ids.ts";
import { activateChange } from "../../core/operations/activate-change.ts";
import { addUnit } from "../../core/operations/add-unit.ts";
import { approveChange } from "../../core/operations/approve-change.ts";
import { cancelChange } from "../../core/operations/cancel-change.ts";
import type { ChangeInput, ChangePorts } from "../../core/operations/change-ports.ts";
import { createChange } from "../../core/operations/create-change.ts";
import { createKey } from "../../core/operations/create-key.ts";
import { createProject } from "../../core/operations/create-project.ts";
import { decrypt } from "../../core/operations/decrypt.ts";
import { encrypt } from "../../core/operations/encrypt.ts";
import { finalizeChange } from "../../core/operations/finalize-change.ts";
import { generateDataKey } from "../../core/operations/generate-data-key.ts";
import {
  clearNewMasterKey,
  commitMasterKey,
  copyMasterKey,
  generateMasterKey,
} from "../../core/operations/master-key-commands.ts";
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
import type { ServicePorts } from "../../core/operations/service-ports.ts";
import { setKeyState } from "../../core/operations/set-key-state.ts";
import { pageInput, pageView } from "./page-view.ts";
import { principalHandlers } from "./principal-handlers.ts";
import type { NativeHandlers, SignInHandlers } from "./routes.ts";
import { signInHandlers } from "./sign-in-handlers.ts";
import { changeView, keyView, planView, projectView, unitRegisters, unitView } from "./translate.ts";

const DATA_KEY_BYTES = 32;

/** Every native route as one call of the domain: translate, call, translate back. */
export function nativeHandlers(ports: ServicePorts): NativeHandlers & SignInHandlers {
  const { keys, store, units } = ports;

  const keyNamed = async (params: { project: string; key: string }) => {
    const project = await keys.project(params.project);
    return { project, key: await keys.key(project.id, params.key) };
  };
  const shown = (address: UnitAddress) => unitView(reportUnit(units.find(address)));
  const change = async (id: string) => changeView(await reportChange(ports, { id: id as ChangeId }));
  const verb =
    (act: (ports: ChangePorts, input: ChangeInput) => Promise<{ readonly id: ChangeId }>) =>
    async (
      { params }: { readonly params: { readonly change: string } },
      { name: by }: { readonly name: string },
    ) =>
      change((await act(ports, { change: params.change as ChangeId, by })).id);

  return {
    getStatus: async () => {
      const reasons = [...(await reasonsNotReady(ports))];
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

    createProject: async ({ body }) => projectView(await createProject(ports, body)),
    listProjects: async ({ query }, caller) =>
      pageView(await listProjects(ports, { ...pageInput(query), caller }), projectView),
    createKey: async ({ params, body }) => {
      const project = await keys.project(params.project);
      return keyView(await createKey(ports, { project, name: body.name }));
    },
    listKeys: async ({ params, query }) => {
      const project = await keys.project(params.project);
      return pageView(await store.listKeys({ projectId: project.id, ...pageInput(query) }), keyView);
    },
    getKey: async ({ params }) => keyView((await keyNamed(params)).key),
    rotateKey: async ({ params }) => keyView(await rotateKey(ports, await keyNamed(params))),
    enableKey: async ({ params }) =>
      keyView(await setKeyState(ports, { key: (await keyNamed(params)).key, state: "enabled" })),
    disableKey: async ({ params }) =>
      keyView(await setKeyState(ports, { key: (await keyNamed(params)).key, state: "disabled" })),

    encrypt: async ({ params, body }) => {
      const { key } = await keyNamed(params);
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
    decrypt: async ({ params, body }) => {
      const project = await keys.project(params.project);
      const ciphertext = Buffer.from(body.ciphertext, "base64");
      const { keyId, keyVersion, ...opened } = await decrypt(ports, {
        project,
        ciphertext,
        context: body.context ?? {},
      });
      using plaintext = opened.plaintext;
      return { plaintext: ports.toBase64(plaintext), keyId, keyVersion };
    },
    generateDataKey: async ({ params, body }) => {
      const { key } = await keyNamed(params);
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

    listUnits: async () => {
      await Promise.all(units.all().map(({ record }) => units.refresh(record.address)));
      return { items: units.all().map((unit) => unitView(reportUnit(unit))) };
    },
    getUnit: async ({ params }) => {
      await units.refresh(params.unit as UnitAddress);
      return shown(params.unit as UnitAddress);
    },
    addUnit: async ({ body }, { name: by }) => {
      const { group } = scopeOf(body);
      return unitView(
        reportUnit(await addUnit(ports, { address: body.address as UnitAddress | undefined, group, by })),
      );
    },
    removeUnit: async ({ params }) =>
      unitView(reportUnit(await removeUnit(ports, { address: params.unit as UnitAddress }))),
    quarantineUnit: async ({ params, body }, { name: by }) => {
      const address = params.unit as UnitAddress;
      const unit = await quarantineUnit(ports, { address, reason: body.reason, by });
      ports.runner.wake();
      return unitView(reportUnit(unit));
    },
    readmitUnit: async ({ params }, { name: by }) => {
      const unit = await readmitUnit(ports, { address: params.unit as UnitAddress, by });
      ports.runner.wake();
      return unitView(reportUnit(unit));
    },

    generateMasterKey: async ({ body }) => {
      const scope = scopeOf(body);
      const changed = await generateMasterKey(ports, {
        ...scope,
        unit: body.unit as UnitAddress | undefined,
      });
      return unitRegisters(changed.map(reportUnit), scope.type);
    },
    copyMasterKey: async ({ body }) => {
      const scope = scopeOf(body);
      const changed = await copyMasterKey(ports, {
        ...scope,
        register: body.register ?? "NEW",
        from: body.from as UnitAddress | undefined,
        to: body.to as UnitAddress[] | undefined,
      });
      ports.runner.wake();
      return unitRegisters(changed.map(reportUnit), scope.type);
    },
    commitMasterKey: async ({ body }) => {
      const scope = scopeOf(body);
      const changed = await commitMasterKey(ports, {
        ...scope,
        vp: body.vp,
        unit: body.unit as UnitAddress | undefined,
      });
      ports.runner.wake();
      return unitRegisters(changed.map(reportUnit), scope.type);
    },
    clearNewMasterKey: async ({ body }) => {
      const scope = scopeOf(body);
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
    getChange: async ({ params }) => change(params.change),
    reencipherChange: verb(reencipherChange),
    pauseChange: verb(pauseChange),
    resumeChange: verb(resumeChange),
    activateChange: async ({ params, body }, { name: by }) => {
      const input = { change: params.change as ChangeId, by, vp: body.vp, override: body.override ?? false };
      return change((await activateChange(ports, input)).id);
    },
    finalizeChange: verb(finalizeChange),
    cancelChange: verb(cancelChange),
    restoreChange: verb(restoreChange),
    approveChange: verb(approveChange),
    purgeChange: verb(purgeChange),

    ...principalHandlers(ports),
    ...signInHandlers(ports),
  };
}

function scopeOf(input: { readonly group?: string; readonly type?: MasterKeyType }): {
  group: GroupName;
  type: MasterKeyType;
} {
  return { group: (input.group ?? "default") as GroupName, type: input.type ?? "WK" };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
