import { Failure } from "../errors.ts";
import type { MasterKeyType, UnitAddress, Vp } from "../ids.ts";
import type { RegisterName, RegisterReading } from "../unit/registers.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";
import { readingOf } from "../unit/attached-units.ts";
import type { CloneForm, CryptoUnit } from "../unit/crypto-unit.ts";

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
  const held = readingOf(target, type);
  if (held?.[register].vp === vp) return held;
  const form = commonForm(source.unit, target.unit);
  if (!form) {
    throw new Failure(
      "unit-lacks-ability",
      `master keys cannot go from unit ${input.from} to unit ${input.to}`,
    );
  }
  const request = { type, register, vp, form };
  const wrapped = await source.unit.registers.exportFor(input.to, request);
  try {
    return await target.unit.registers.importFrom(input.from, request, wrapped);
  } finally {
    await units.refresh(input.to);
  }
}

/** Whether master keys can go from one of the units to the other. */
export function canClone(one: CryptoUnit, other: CryptoUnit): boolean {
  return commonForm(one, other) !== undefined;
}

/** The form in which they go: the first of the recipient's that the sender has, too. */
function commonForm(sender: CryptoUnit, recipient: CryptoUnit): CloneForm | undefined {
  const forms = sender.description.abilities.cloneForms;
  return recipient.description.abilities.cloneForms.find((form) => forms.includes(form));
}
