import { Failure } from "../errors.ts";
import type { MasterKeyType, UnitAddress, Vp } from "../ids.ts";
import type { RegisterName, RegisterReading } from "../unit/registers.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";
import { readingOf } from "../unit/attached-units.ts";

/**
 * Copies one register of a unit into the same register of another, wrapped for that unit's pinned public key. A copy
 * that is there already is left as it is. The pattern is the one that the first unit shows.
 * @throws Failure `register-state`, `unit-unreachable`, `unit-lacks-ability`, `unit-peer-not-pinned`.
 */
export async function cloneMasterKey(
  units: AttachedUnits,
  input: {
    readonly type: MasterKeyType;
    readonly register: RegisterName;
    readonly from: UnitAddress;
    readonly to: UnitAddress;
  },
): Promise<RegisterReading> {
  const { type, register } = input;
  const source = units.reachable(input.from);
  const target = units.reachable(input.to);
  const vp: Vp | undefined = readingOf(source, type)?.[register].vp;
  if (!vp) throw new Failure("register-state", `${register} of unit ${input.from} is empty`);
  if (
    !source.unit.description.abilities.cloneMasterKeys ||
    !target.unit.description.abilities.cloneMasterKeys
  ) {
    throw new Failure(
      "unit-lacks-ability",
      `master keys cannot go from unit ${input.from} to unit ${input.to}`,
    );
  }
  const held = readingOf(target, type);
  if (held?.[register].vp === vp) return held;
  const request = { type, register, vp };
  const wrapped = await source.unit.registers.exportFor(input.to, request);
  try {
    return await target.unit.registers.importFrom(input.from, request, wrapped);
  } finally {
    await units.refresh(input.to);
  }
}
