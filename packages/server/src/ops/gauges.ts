import type { AnchorKeeper } from "../core/audit/anchor-keeper.ts";
import type { Store } from "../core/ports/store.ts";
import type { AttachedUnits } from "../core/unit/attached-units.ts";
import type { GaugeReadings } from "./metrics.ts";

/** What /metrics shows of keys, units and changes, read when it is asked for. */
export async function readGauges(ports: {
  readonly store: Store;
  readonly units: AttachedUnits;
  readonly anchors: Pick<AnchorKeeper, "lagging">;
}): Promise<GaugeReadings> {
  const { store, units, anchors } = ports;
  const keksByPattern: GaugeReadings["keksByPattern"][number][] = [];
  for (const { group, type } of await store.listFences({})) {
    for (const { vp, ...forms } of await store.census({ group, type })) {
      for (const form of ["current", "next", "previous"] as const)
        keksByPattern.push({ vp, form, count: forms[form] });
    }
  }
  const open = (await store.listChanges({ limit: 100, after: undefined, openOnly: true })).items;
  const progress = await Promise.all(
    open.map(({ id, group, type, from, to }) => store.countProgress({ group, type, changeId: id, from, to })),
  );
  const sum = (pick: (rows: (typeof progress)[number]) => number) =>
    progress.reduce((total, rows) => total + pick(rows), 0);
  return {
    keksByPattern,
    registers: units.all().flatMap(({ record, readings }) =>
      (readings ?? []).flatMap((reading) =>
        (["NEW", "CURRENT", "OLD"] as const).map((register) => ({
          unit: record.address,
          register: `${reading.type} ${register}`,
          state: reading[register].state,
        })),
      ),
    ),
    units: units.all().map(({ record, readings }) => ({
      unit: record.address,
      serving: record.state === "serving" && readings !== undefined,
      keepsAnchors: readings !== undefined && !anchors.lagging.includes(record.address),
    })),
    changes: open.map(({ id, state, blockedReason }) => ({
      change: id,
      state,
      blocked: blockedReason !== undefined,
    })),
    changeKeks: [
      { status: "done", count: sum(({ keks, lacking }) => keks - lacking) },
      { status: "lacking", count: sum(({ lacking, failed }) => lacking - failed) },
      { status: "failed", count: sum(({ failed }) => failed) },
    ],
  };
}
