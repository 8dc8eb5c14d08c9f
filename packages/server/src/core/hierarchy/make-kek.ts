import { Failure, isFailure } from "../errors.ts";
import type { ChangeStore } from "../ports/change-store.ts";
import type { Vp } from "../ids.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";
import { readingOf } from "../unit/attached-units.ts";
import type { KekBinding, WrappedKek } from "../unit/crypto-unit.ts";
import type { NewKekRecord } from "./records.ts";

/** How often a creation may meet a master key that has just moved before it gives up. */
const ATTEMPTS = 8;

export interface MakeKekPorts {
  readonly units: AttachedUnits;
  readonly store: Pick<ChangeStore, "readFence">;
}

/**
 * Makes a KEK that carries exactly the patterns that the fence demands, and hands it to `keep`, whose transaction
 * compares again: unit first, then one short transaction. If the fence has moved meanwhile the KEK is wrapped again.
 * @throws Failure `mutations-frozen`, `no-serving-unit`, `fence-moved`, and what `keep` throws.
 */
export async function makeKek(
  ports: MakeKekPorts,
  binding: KekBinding,
  keep: (kek: NewKekRecord) => Promise<"kept" | "fence-moved">,
): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const fence = await ports.store.readFence(binding);
    if (!fence) throw new Failure("no-serving-unit", `group ${binding.group} has no master key yet`);
    if (fence.frozen) throw new Failure("mutations-frozen");
    const made = await wrapUnder(ports.units, binding, fence.mustWrap);
    if (!made) continue;
    const outcome = await keep({ id: binding.kekId, ...binding, kcv: made.kcv, wrapped: made.wrapped });
    if (outcome === "kept") return;
  }
  throw new Failure("fence-moved");
}

/** Undefined when the registers moved under the call: the fence has to be read again. */
async function wrapUnder(
  units: AttachedUnits,
  binding: KekBinding,
  vps: readonly Vp[],
): Promise<{ kcv: Uint8Array; wrapped: readonly WrappedKek[] } | undefined> {
  for (const look of ["as known", "read again"] as const) {
    if (look === "read again") await units.refreshGroup(binding.group);
    for (const at of units.serving(binding.group)) {
      const reading = readingOf(at, binding.type);
      const committed = reading?.NEW.state === "full committed" ? reading.NEW.vp : undefined;
      const held = [committed, reading?.CURRENT.vp, reading?.OLD.vp];
      if (!vps.every((vp) => held.includes(vp))) continue;
      try {
        return await at.unit.keks.create(binding, vps);
      } catch (error) {
        if (!isFailure(error, "register-pattern-mismatch", "register-state", "unit-unreachable")) throw error;
        await units.refresh(at.record.address);
      }
    }
  }
  if (units.serving(binding.group).length === 0) throw new Failure("no-serving-unit");
  return undefined;
}
