import type { GroupName, MasterKeyType, Vp } from "../ids.ts";
import { shownVp } from "../ids.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";
import { readingOf } from "../unit/attached-units.ts";
import type { PastChange } from "./backup-header.ts";

interface Missing {
  readonly group: GroupName;
  readonly type: MasterKeyType;
  /** One of these would do. */
  readonly needed: readonly Vp[];
  /** What the backup tells of its past. */
  readonly past: readonly PastChange[];
  /** Changes that are known from elsewhere. */
  readonly history: readonly PastChange[];
}

/**
 * Why no unit at hand will do, in a sentence: which pattern is needed, what the registers hold, and which change lies
 * between, as far as the backup's own past or another history tells.
 */
export function describeMissingKey(units: AttachedUnits, missing: Missing): string {
  const { group, type, needed } = missing;
  const held = units.inGroup(group).flatMap((unit) =>
    (["CURRENT", "OLD"] as const).flatMap((register) => {
      const vp = readingOf(unit, type)?.[register].vp;
      return vp ? [{ said: `${register} of unit ${unit.record.address} holds ${shownVp(vp)}`, vp }] : [];
    }),
  );
  const holds = held.length === 0 ? "no unit of it is at hand" : held.map(({ said }) => said).join(", ");
  const why = reason(
    missing,
    held.map(({ vp }) => vp),
  );
  return `the backup needs ${needed.map(shownVp).join(" or ")} of group ${group}, type ${type}; ${holds}: ${why}`;
}

function reason({ needed, past, history }: Missing, held: readonly Vp[]): string {
  if (held.length === 0) return "bring a unit of the time of the backup, with its PIN";
  const later = pathBetween(past, held, needed);
  if (later) return `the units are older than the backup: ${said(later)} replaced their master key before it`;
  const earlier = pathBetween([...history, ...past], needed, held);
  if (earlier) return `the backup is older than the units: ${said(earlier)} replaced its master key after it`;
  return "they are units of another installation, as far as any history tells";
}

/** The first of the changes that lead from one of the patterns to one of the others. */
function pathBetween(
  changes: readonly PastChange[],
  from: readonly Vp[],
  to: readonly Vp[],
): PastChange | undefined {
  const kept = changes.filter(({ state }) => state !== "CANCELING" && state !== "CANCELED");
  return kept.find(
    (first) => from.includes(first.from) && to.some((vp) => reachable(kept, first.to).has(vp)),
  );
}

function reachable(changes: readonly PastChange[], start: Vp): ReadonlySet<Vp> {
  const reached = new Set([start]);
  for (let before = 0; before !== reached.size;) {
    before = reached.size;
    for (const change of changes) if (reached.has(change.from)) reached.add(change.to);
  }
  return reached;
}

function said({ id, from, to, openedAtMs }: PastChange): string {
  return `change ${id}, opened ${new Date(openedAtMs).toISOString()}, from ${shownVp(from)} to ${shownVp(to)},`;
}
