import type { GroupName, MasterKeyType, Vp } from "../ids.ts";
import type { Change } from "../master-key-change/change.ts";
import type { Store } from "../ports/store.ts";
import type { AttachedUnits } from "../unit/attached-units.ts";
import { readingOf } from "../unit/attached-units.ts";

export interface GroupStatus {
  readonly group: GroupName;
  readonly type: MasterKeyType;
  readonly current: Vp;
  readonly openChange: Change["id"] | undefined;
  readonly keks: number;
  readonly unitsServing: number;
  readonly units: number;
}

interface StatusPorts {
  readonly store: Store;
  readonly units: AttachedUnits;
}

/** Master keys and units, group by group. */
export async function reportStatus(ports: StatusPorts): Promise<readonly GroupStatus[]> {
  const fences = await ports.store.listFences({});
  return await Promise.all(
    fences.map(async ({ group, type, currentVp, openChange }) => {
      const census = await ports.store.census({ group, type });
      return {
        group,
        type,
        current: currentVp,
        openChange,
        keks: census.reduce((sum, line) => sum + line.current, 0),
        unitsServing: ports.units.serving(group).length,
        units: ports.units.inGroup(group).length,
      };
    }),
  );
}

/** Why the service cannot do its work: one sentence for each reason, none when it is ready. */
export async function reasonsNotReady(ports: StatusPorts): Promise<readonly string[]> {
  const reasons: string[] = [];
  const mark = await ports.store.readRollback({});
  if (mark)
    reasons.push(
      `the database was ${mark.reason}; it is read-only until an administrator has accepted that with \`claviger store accept-rollback\``,
    );
  for (const fence of await ports.store.listFences({})) {
    const serving = ports.units.serving(fence.group);
    if (serving.length === 0) reasons.push(`no crypto unit of group ${fence.group} serves`);
    const usable = serving.some((unit) => {
      const reading = readingOf(unit, fence.type);
      return (
        [reading?.CURRENT.vp, reading?.OLD.vp].includes(fence.currentVp) ||
        reading?.CURRENT.vp === fence.targetVp
      );
    });
    if (serving.length > 0 && !usable) {
      reasons.push(`no serving unit of group ${fence.group} holds its ${fence.type} master key`);
    }
  }
  return reasons;
}
