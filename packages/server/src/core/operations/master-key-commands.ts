import { Failure } from "../errors.ts";
import type { GroupName, MasterKeyType, UnitAddress, Vp } from "../ids.ts";
import { namesVp } from "../ids.ts";
import type { Change } from "../master-key-change/change.ts";
import type { RollbackStore } from "../ports/rollback-store.ts";
import type { ChangeStore } from "../ports/change-store.ts";
import type { AttachedUnit, AttachedUnits, ReachableUnit } from "../unit/attached-units.ts";
import { isReachable, readingOf } from "../unit/attached-units.ts";
import type { RegisterName } from "../unit/registers.ts";
import { cloneMasterKey } from "./clone-master-key.ts";
import { requireNoRollback } from "./require-no-rollback.ts";

/**
 * What custodians do with master keys before a change takes them over. While a change has pinned its target (STAGED to
 * ACTIVATING), NEW belongs to the change: only that target may be copied or committed, and nothing is generated;
 * what else a NEW holds may be cleared, so that a unit can be brought back.
 */
export interface MasterKeyPorts {
  readonly store: Pick<ChangeStore, "readFence" | "readChange"> & Pick<RollbackStore, "readRollback">;
  readonly units: AttachedUnits;
}

export interface MasterKeyScope {
  readonly group: GroupName;
  readonly type: MasterKeyType;
}

/**
 * Fills NEW of one unit with a random master key.
 * @throws Failure `register-command-refused`, `register-state`.
 */
export async function generateMasterKey(
  ports: MasterKeyPorts,
  input: MasterKeyScope & { readonly unit: UnitAddress | undefined },
): Promise<readonly AttachedUnit[]> {
  await requireNoRollback(ports);
  const change = await changeOwningNew(ports, input);
  if (change) throw refused(change, "NEW holds its target");
  const serving = ports.units.serving(input.group).toSorted(byAddress);
  const at = input.unit ? inScope(ports.units, input, input.unit) : serving[0];
  if (!at) throw new Failure("no-serving-unit");
  const holder = ports.units
    .inGroup(input.group)
    .find((other) => readingOf(other, input.type)?.NEW.vp !== undefined && other.record.state === "serving");
  if (holder && !input.unit) {
    throw new Failure(
      "register-state",
      `NEW of unit ${holder.record.address} is not empty: copy it, or clear it first`,
    );
  }
  await ports.units.execute(at.record.address, { verb: "generate", type: input.type });
  return [ports.units.find(at.record.address)];
}

/**
 * Copies a register of one unit to others: by default NEW, from the unit that has it, to those that serve or join and
 * lack it.
 * @throws Failure `register-state`, `register-command-refused`, `unit-unreachable`.
 */
export async function copyMasterKey(
  ports: MasterKeyPorts,
  input: MasterKeyScope & {
    readonly register: RegisterName;
    readonly from: UnitAddress | undefined;
    readonly to: readonly UnitAddress[] | undefined;
  },
): Promise<readonly AttachedUnit[]> {
  await requireNoRollback(ports);
  const { units } = ports;
  const change = await changeOwningNew(ports, input);
  await units.refreshGroup(input.group);
  const isTarget = (vp: Vp | undefined): boolean => !change || input.register !== "NEW" || vp === change.to;
  const holds = (unit: AttachedUnit): boolean => {
    const vp = readingOf(unit, input.type)?.[input.register].vp;
    return vp !== undefined && isTarget(vp);
  };
  const from = input.from
    ? inScope(units, input, input.from)
    : (units.serving(input.group).find(holds) ?? units.inGroup(input.group).find(holds));
  if (!from)
    throw new Failure("register-state", `no unit of group ${input.group} holds a key in ${input.register}`);
  if (change && !holds(from)) throw refused(change, "only its target may be copied to NEW");
  const to =
    input.to?.map((address) => inScope(units, input, address)) ??
    units
      .inGroup(input.group)
      .filter(isReachable)
      .filter((unit) => unit.record.state !== "quarantined" && !holds(unit));
  for (const unit of to) {
    const { address } = unit.record;
    if (address !== from.record.address) {
      await cloneMasterKey(units, {
        type: input.type,
        register: input.register,
        from: from.record.address,
        to: address,
      });
    }
  }
  return [from, ...to].map((unit) => units.find(unit.record.address));
}

/**
 * Commits NEW on every unit of the group, or on one, that holds the pattern.
 * @throws Failure `register-pattern-mismatch` when none does, `register-command-refused`.
 */
export async function commitMasterKey(
  ports: MasterKeyPorts,
  input: MasterKeyScope & { readonly vp: string; readonly unit: UnitAddress | undefined },
): Promise<readonly AttachedUnit[]> {
  await requireNoRollback(ports);
  const change = await changeOwningNew(ports, input);
  if (change?.to && !namesVp(input.vp, change.to)) throw refused(change, "NEW must hold its target");
  const holders = await holdersOfNew(ports.units, input);
  for (const { record, readings } of holders) {
    const reading = readings.find(({ type }) => type === input.type);
    if (reading?.NEW.state === "full uncommitted") {
      await ports.units.execute(record.address, { verb: "commit", type: input.type, vp: input.vp });
    }
  }
  return holders.map((unit) => ports.units.find(unit.record.address));
}

/**
 * Clears NEW on every unit of the group, or on one, that holds the pattern.
 * @throws Failure `register-pattern-mismatch` when none does, `register-command-refused`.
 */
export async function clearNewMasterKey(
  ports: MasterKeyPorts,
  input: MasterKeyScope & { readonly vp: string; readonly unit: UnitAddress | undefined },
): Promise<readonly AttachedUnit[]> {
  await requireNoRollback(ports);
  const change = await changeOwningNew(ports, input);
  if (change?.to && namesVp(input.vp, change.to))
    throw refused(change, "NEW holds its target: cancel the change");
  const holders = await holdersOfNew(ports.units, input);
  for (const { record } of holders) {
    await ports.units.execute(record.address, {
      verb: "clear",
      register: "NEW",
      type: input.type,
      vp: input.vp,
    });
  }
  return holders.map((unit) => ports.units.find(unit.record.address));
}

/** The open change whose target NEW must hold, if there is one. */
async function changeOwningNew(ports: MasterKeyPorts, scope: MasterKeyScope): Promise<Change | undefined> {
  const fence = await ports.store.readFence(scope);
  const change = fence?.openChange && (await ports.store.readChange({ id: fence.openChange }));
  return change && change.to !== undefined ? change : undefined;
}

function byAddress(a: AttachedUnit, b: AttachedUnit): number {
  return a.record.address < b.record.address ? -1 : 1;
}

async function holdersOfNew(
  units: AttachedUnits,
  input: MasterKeyScope & { readonly vp: string; readonly unit: UnitAddress | undefined },
): Promise<readonly ReachableUnit[]> {
  await units.refreshGroup(input.group);
  const among = input.unit
    ? [inScope(units, input, input.unit)]
    : units.inGroup(input.group).filter(isReachable);
  const holders = among.filter((unit) => {
    const vp = readingOf(unit, input.type)?.NEW.vp;
    return vp !== undefined && namesVp(input.vp, vp);
  });
  if (holders.length === 0) {
    throw new Failure("register-pattern-mismatch", "NEW of no unit holds this pattern", { field: "vp" });
  }
  return holders;
}

function inScope(units: AttachedUnits, scope: MasterKeyScope, address: UnitAddress): ReachableUnit {
  const unit = units.reachable(address);
  if (unit.record.group !== scope.group) {
    throw new Failure("unit-not-found", `unit ${address} is not in group ${scope.group}`);
  }
  return unit;
}

function refused(change: Change, why: string): Failure {
  return new Failure("register-command-refused", `change ${change.id} is ${change.state}: ${why}`);
}
