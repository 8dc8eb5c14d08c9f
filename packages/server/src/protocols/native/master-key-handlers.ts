import type { UnitAddress } from "../../core/ids.ts";
import {
  clearNewMasterKey,
  commitMasterKey,
  copyMasterKey,
  generateMasterKey,
} from "../../core/operations/master-key-commands.ts";
import { reportUnit } from "../../core/operations/report-units.ts";
import type { ServicePorts } from "../../core/operations/service-ports.ts";
import type { NativeHandlers } from "./call.ts";
import { scopeOf } from "./scope-of.ts";
import { unitRegisters } from "./translate.ts";

type MasterKeyRoute = "generateMasterKey" | "copyMasterKey" | "commitMasterKey" | "clearNewMasterKey";

/** The routes of master keys in the NEW register. */
export function masterKeyHandlers(ports: ServicePorts): Pick<NativeHandlers, MasterKeyRoute> {
  return {
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
  };
}
