import { Failure } from "../errors.ts";
import { namesVp, shownVp } from "../ids.ts";
import type { Vp } from "../ids.ts";
import type { ChangeStore } from "../ports/change-store.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";

/**
 * A group may only have the patterns that the configuration names (EXPECTED_MKVPS and EXPECTED_WKVP of openCryptoki), and
 * the two of an open change.
 * @throws Failure `pattern-not-expected`.
 */
export async function refuseUnexpectedPatterns(ports: {
  readonly store: Pick<ChangeStore, "listFences">;
  readonly units: AttachedUnits;
  /** Patterns or their beginnings, by group; of a group that is not among them nothing is expected. */
  readonly expectedVps: ReadonlyMap<string, readonly string[]>;
}): Promise<void> {
  for (const fence of await ports.store.listFences({})) {
    const expected = ports.expectedVps.get(fence.group);
    if (!expected) continue;
    const allowed = (vp: Vp): boolean =>
      fence.openChange !== undefined
        ? fence.mustWrap.includes(vp) || vp === fence.targetVp || vp === fence.currentVp
        : false;
    for (const unit of ports.units.serving(fence.group)) {
      const vp = unit.readings.find(({ type }) => type === fence.type)?.CURRENT.vp;
      if (vp === undefined || allowed(vp) || expected.some((pattern) => namesVp(pattern, vp))) continue;
      throw new Failure(
        "pattern-not-expected",
        `CURRENT of unit ${unit.record.address} holds ${shownVp(vp)}, which expected_vps of group ${fence.group} does not name`,
      );
    }
  }
}
