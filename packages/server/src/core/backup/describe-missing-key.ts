import type { Vp } from "../ids.ts";
import { shownVp } from "../ids.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";
import { readingOf } from "../unit/attached-units.ts";
import type { BackupHeader, PastChange } from "./backup-header.ts";

/**
 * Why no unit at hand opens the backup, in a sentence: which pattern is needed, what the registers hold, and which change
 * lies between, as far as the backup's own history or that of the database at hand tells.
 */
export function describeMissingKey(
  header: BackupHeader,
  units: AttachedUnits,
  history: readonly PastChange[],
): string {
  const { group, type, wrapped } = header.kek;
  const needed = wrapped.map(({ vp }) => vp);
  const held = units.all().flatMap((unit) => {
    const reading = readingOf(unit, type);
    const { address, group: unitGroup } = unit.record;
    return (["CURRENT", "OLD"] as const).flatMap((register) => {
      const vp = reading?.[register].vp;
      return vp && unitGroup === group ? [{ address, register, vp }] : [];
    });
  });
  const holds =
    held.length === 0
      ? `no unit of group ${group} is at hand`
      : held
          .map(({ address, register, vp }) => `${register} of unit ${address} holds ${shownVp(vp)}`)
          .join(", ");
  return `the backup needs ${needed.map(shownVp).join(" or ")} of group ${group}, type ${type}; ${holds}: ${why()}`;

  function why(): string {
    const vps = held.map(({ vp }) => vp);
    if (vps.length === 0) return "bring a unit of the time of the backup, with its PIN";
    const own = header.masterKeys.find((need) => need.group === group && need.type === type)?.changes ?? [];
    const later = pathBetween(own, vps, needed);
    if (later)
      return `the units are older than the backup: ${said(later)} replaced their master key before it`;
    const earlier = pathBetween([...history, ...own], needed, vps);
    if (earlier)
      return `the backup is older than the units: ${said(earlier)} replaced its master key after it`;
    return "they are units of another installation, as far as any history tells";
  }
}

/** The first of the changes that lead from one of the patterns to one of the others. */
function pathBetween(
  changes: readonly PastChange[],
  from: readonly Vp[],
  to: readonly Vp[],
): PastChange | undefined {
  const completed = changes.filter(({ state }) => !["CANCELING", "CANCELED"].includes(state));
  for (const first of completed.filter((change) => from.includes(change.from))) {
    const reached = new Set<Vp>([first.to]);
    for (let grown = -1; grown !== reached.size;) {
      grown = reached.size;
      for (const change of completed) if (reached.has(change.from)) reached.add(change.to);
    }
    if (to.some((vp) => reached.has(vp))) return first;
  }
  return undefined;
}

function said({ id, from, to, openedAtMs }: PastChange): string {
  return `change ${id}, opened ${new Date(openedAtMs).toISOString()}, from ${shownVp(from)} to ${shownVp(to)},`;
}
