import type { RegistersView, RouteName, UnitView } from "@claviger/api";
import type { Handlers } from "./canned-reply.ts";
import { Refusal, now, randomPattern } from "./canned-reply.ts";

type OfUnits = Extract<RouteName, `${string}Unit` | "listUnits" | `${string}MasterKey`>;

/** Gives the registers of every unit, for the change to read and to activate. */
export type Registers = () => RegistersView[];

export function unitHandlers(): { handlers: Handlers<OfUnits>; registers: Registers } {
  const units = new Map<string, UnitView>();
  const registersOf = (unit: UnitView): RegistersView => {
    const [registers] = unit.registers;
    if (registers === undefined) throw new Error("a canned unit has registers of one type");
    return registers;
  };
  const add = (address: string, vp: string): UnitView => {
    const empty = { state: "empty", vp: null } as const;
    const unit: UnitView = {
      address,
      group: "default",
      adapter: "software",
      state: "serving",
      reason: null,
      reachable: true,
      fingerprint: randomPattern(),
      registers: [{ type: "WK", NEW: { ...empty }, CURRENT: { state: "valid", vp }, OLD: { ...empty } }],
      addedAt: now(),
    };
    units.set(address, unit);
    return unit;
  };
  const first = add("01.0001", randomPattern());
  const found = (address: string): UnitView => {
    const unit = units.get(address);
    if (unit === undefined)
      throw new Refusal(
        404,
        "unit-not-found",
        "absent",
        "There is no such crypto unit.",
        "List the units with `claviger unit list`.",
      );
    return unit;
  };
  const shown = () => ({
    units: [...units.values()].map((unit) => ({ address: unit.address, registers: registersOf(unit) })),
  });
  const fillNew = (unit: UnitView, state: RegistersView["NEW"]["state"], vp: string | null) => {
    registersOf(unit).NEW = { state, vp };
  };
  const setNew = (typed: string, state: RegistersView["NEW"]["state"]) => {
    for (const unit of units.values()) {
      const { vp } = registersOf(unit).NEW;
      if (vp === null || !vp.startsWith(typed)) {
        throw new Refusal(
          412,
          "register-pattern-mismatch",
          "precondition",
          "The register holds a master key with another verification pattern.",
          "Compare the pattern with what the custodians agreed on before you go on.",
        );
      }
      fillNew(unit, state, state === "empty" ? null : vp);
    }
    return shown();
  };

  const handlers: Handlers<OfUnits> = {
    listUnits: () => ({ items: [...units.values()] }),
    getUnit: ({ params }) => found(params.unit),
    addUnit: ({ body }) => add(body.address ?? "01.0002", registersOf(first).CURRENT.vp ?? ""),
    removeUnit: ({ params }) => {
      const unit = found(params.unit);
      if (units.size === 1)
        throw new Refusal(
          412,
          "unit-needed",
          "precondition",
          "The crypto unit is the last one that serves its group.",
          "Add another unit to the group first.",
        );
      units.delete(params.unit);
      return unit;
    },
    quarantineUnit: ({ params, body }) =>
      Object.assign(found(params.unit), { state: "quarantined", reason: body.reason }),
    readmitUnit: ({ params }) => Object.assign(found(params.unit), { state: "serving", reason: null }),
    generateMasterKey: () => {
      fillNew(first, "full uncommitted", randomPattern());
      return { units: [{ address: first.address, registers: registersOf(first) }] };
    },
    copyMasterKey: () => {
      for (const unit of units.values()) fillNew(unit, "full uncommitted", registersOf(first).NEW.vp);
      return shown();
    },
    commitMasterKey: ({ body }) => setNew(body.vp, "full committed"),
    clearNewMasterKey: ({ body }) => setNew(body.vp, "empty"),
  };
  return { handlers, registers: () => [...units.values()].map(registersOf) };
}
