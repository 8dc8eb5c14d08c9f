import type { RouteInput } from "@claviger/api";
import type { Touched } from "../../core/audit/audit-draft.ts";
import type { UnitAddress } from "../../core/ids.ts";
import { addUnit } from "../../core/operations/add-unit.ts";
import { quarantineUnit } from "../../core/operations/quarantine-unit.ts";
import { readmitUnit } from "../../core/operations/readmit-unit.ts";
import { removeUnit } from "../../core/operations/remove-unit.ts";
import { reportUnit } from "../../core/operations/report-units.ts";
import type { ServicePorts } from "../../core/operations/service-ports.ts";
import type { TokenAttachment } from "../../core/ports/unit-folder.ts";
import type { NativeHandlers } from "./call.ts";
import { scopeOf } from "./scope-of.ts";
import { unitView } from "./translate.ts";

type UnitRoute = "listUnits" | "getUnit" | "addUnit" | "removeUnit" | "quarantineUnit" | "readmitUnit";

/** The routes of crypto units. */
export function unitHandlers(ports: ServicePorts): Pick<NativeHandlers, UnitRoute> {
  const { units } = ports;

  const unitNamed = (params: { unit: string }, touched: Touched): UnitAddress => {
    const { record } = units.find(params.unit as UnitAddress);
    touched.unit = record.address;
    touched.asked = undefined;
    return record.address;
  };
  const shown = (address: UnitAddress) => unitView(reportUnit(units.find(address)));

  return {
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
      const address = body.address as UnitAddress | undefined;
      const attachment = body.pkcs11 && attachmentOf(body.pkcs11);
      return unitView(reportUnit(await addUnit(ports, { address, group, attachment, by })));
    },
    removeUnit: async ({ params }, { name: by }, touched) => {
      const address = params.unit as UnitAddress;
      // One whose removal was interrupted is attached no more: it is removed again.
      if (units.all().some(({ record }) => record.address === address)) unitNamed(params, touched);
      return unitView(reportUnit(await removeUnit(ports, { address, by })));
    },
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
  };
}

function attachmentOf({
  uri,
  clonable,
}: NonNullable<RouteInput<"addUnit">["body"]["pkcs11"]>): TokenAttachment {
  return { uri, ...(clonable !== undefined && { isClonable: clonable }) };
}
