import { fingerprint } from "../crypto/fingerprint.ts";
import type { UnitRecord } from "../ports/store.ts";
import type { AttachedUnit } from "../unit/attached-units.ts";
import type { TokenDescription, UnitAbilities } from "../unit/crypto-unit.ts";
import type { RegisterReading } from "../unit/registers.ts";

/** A unit as operators see it. */
export interface UnitReport extends Pick<
  UnitRecord,
  "address" | "group" | "adapter" | "state" | "reason" | "addedAtMs"
> {
  readonly fingerprint: string;
  /** Undefined while the unit does not answer. */
  readonly registers: readonly RegisterReading[] | undefined;
  /** Undefined while the unit could not be opened. */
  readonly abilities: UnitAbilities | undefined;
  readonly token: TokenDescription | undefined;
}

export function reportUnit(unit: AttachedUnit): UnitReport {
  const { address, group, adapter, state, reason, addedAtMs, publicKey } = unit.record;
  return {
    address,
    group,
    adapter,
    state,
    reason,
    addedAtMs,
    fingerprint: fingerprint(publicKey),
    registers: unit.readings,
    abilities: unit.unit?.description.abilities,
    token: unit.unit?.description.token,
  };
}
