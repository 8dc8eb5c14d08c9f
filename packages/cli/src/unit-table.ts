import type { RegistersView, UnitView } from "@claviger/sdk";
import { tkeRows } from "./registers.ts";
import { table } from "./terminal.ts";

/** Units with their registers, one register a row; what is the same as above is left blank. */
export function unitTable(units: readonly UnitView[]): string {
  const rows = units.flatMap((unit) => {
    const state = unit.reachable ? unit.state : `${unit.state}, unreachable`;
    if (unit.registers.length === 0) return [[unit.address, unit.group, state, "-", "-", "unknown", "-"]];
    return unit.registers.flatMap((registers, nth) => {
      const head = nth === 0 ? [unit.address, unit.group, state] : ["", "", ""];
      return typeRows(registers).map((row, line) => [...(line === 0 ? head : ["", "", ""]), ...row]);
    });
  });
  return table(
    ["UNIT", "GROUP", "STATE", "TYPE", "REGISTER", "STATUS", "VERIFICATION PATTERN"],
    rows,
    "There is no crypto unit.",
  );
}

/** Registers of units, as the commands to them return them. */
export function registerTable(
  units: readonly { readonly address: string; readonly registers: RegistersView }[],
): string {
  const rows = units.flatMap(({ address, registers }) =>
    typeRows(registers).map((row, line) => [line === 0 ? address : "", ...row]),
  );
  return table(
    ["UNIT", "TYPE", "REGISTER", "STATUS", "VERIFICATION PATTERN"],
    rows,
    "No unit was concerned.",
  );
}

/** What the NEW registers hold, for someone who is to retype a pattern. */
export function newRegisters(
  units: readonly UnitView[],
  group: string | undefined,
  type: string | undefined,
): string {
  const concerned = units
    .filter((unit) => group === undefined || unit.group === group)
    .flatMap(({ address, registers }) => registers.map((held) => ({ address, registers: held })))
    .filter(({ registers }) => type === undefined || registers.type === type);
  return registerTable(concerned);
}

function typeRows(registers: RegistersView): string[][] {
  return tkeRows(registers).map((row, line) => [line === 0 ? registers.type : "", ...row]);
}
