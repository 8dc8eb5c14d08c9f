import { Failure } from "../errors.ts";
import { DEFAULT_TYPE, shownVp } from "../ids.ts";
import type { AttachedUnit, AttachedUnits, ReachableUnit } from "../unit/attached-units.ts";
import { readingOf } from "../unit/attached-units.ts";
import type { CryptoUnit } from "../unit/crypto-unit.ts";
import type { RegisterReading } from "../unit/registers.ts";
import { canClone } from "./clone-master-key.ts";

const REGISTERS = ["CURRENT", "NEW"] as const;

/**
 * Refuses a unit that could not join its group, before anything says that it does. A token may bring the group's master keys
 * with it (it is a replica by its maker's means, or was in the group before): what it has need not be copied.
 * @throws Failure `unit-exists` for a token that is another unit already, `register-state` for one that holds other master
 * keys, `unit-lacks-ability` when they cannot be copied into it, because of what the units can do, or because they were made
 * so that they never leave theirs.
 */
export async function refuseUnfitUnit(
  units: AttachedUnits,
  unit: CryptoUnit,
  source: ReachableUnit,
): Promise<void> {
  refuseTwin(units, unit);
  const readings = await unit.registers.read();
  const held = readings.find(({ type }) => type === DEFAULT_TYPE);
  const wanted = readingOf(source, DEFAULT_TYPE);
  refuseForeign(unit, held, wanted);
  const missing = REGISTERS.filter((name) => held?.[name].vp !== wanted?.[name].vp);
  if (missing.length === 0) return;
  const [from, to] = [source.record.address, unit.description.address];
  if (!canClone(source.unit, unit))
    throw new Failure(
      "unit-lacks-ability",
      `master keys cannot be copied from unit ${from} to unit ${to}: ${whyNot(source.unit, unit)}`,
    );
  const bound = missing.find((name) => wanted?.notClonable?.includes(name));
  if (bound)
    throw new Failure(
      "unit-lacks-ability",
      `the master key in ${bound} of unit ${from} is not clonable: it cannot be copied to unit ${to}, nor to any other`,
    );
}

function whyNot(source: CryptoUnit, joining: CryptoUnit): string {
  const closed = [source, joining].find(({ description }) => description.abilities.cloneForms.length === 0);
  if (closed) return `unit ${closed.description.address} neither gives any nor takes them`;
  return "they have no form of it in common";
}

function refuseTwin(units: AttachedUnits, { description: { address, publicKey } }: CryptoUnit): void {
  const isTwin = ({ record }: AttachedUnit) =>
    record.address !== address && Buffer.compare(record.publicKey, publicKey) === 0;
  const twin = units.all().find(isTwin);
  if (twin)
    throw new Failure("unit-exists", `the token of unit ${address} is unit ${twin.record.address} already`);
}

function refuseForeign(
  { description: { address } }: CryptoUnit,
  held: RegisterReading | undefined,
  wanted: RegisterReading | undefined,
): void {
  for (const name of REGISTERS) {
    const vp = held?.[name].vp;
    if (vp === undefined || vp === wanted?.[name].vp) continue;
    throw new Failure(
      "register-state",
      `${name} of the token for unit ${address} holds ${shownVp(vp)}, which is no master key of its group: remove the objects of Claviger from that token, or attach another one`,
    );
  }
}
