import { expect, test } from "vitest";
import type { OpenedMaterials } from "../hierarchy/opened-materials.ts";
import type { UnitAddress, Vp } from "../ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../ids.ts";
import type { RollbackMark } from "../ports/rollback-store.ts";
import { AttachedUnits } from "./attached-units.ts";
import type { CryptoUnit } from "./crypto-unit.ts";
import type { RegisterReading } from "./registers.ts";
import { watchUnits } from "./watch-units.ts";

const ADDRESS = "01.0001" as UnitAddress;
const held = { state: "valid" as const, vp: "00" as Vp };
const record = {
  address: ADDRESS,
  group: DEFAULT_GROUP,
  adapter: "pkcs11" as const,
  state: "serving" as const,
  reason: undefined,
  stateBy: "alice",
  publicKey: new Uint8Array(),
  addedAtMs: 0,
};

test("a unit that answers only later is compared with the database then, and marks it once", async () => {
  const reading: RegisterReading = {
    type: DEFAULT_TYPE,
    NEW: { state: "empty", vp: undefined },
    CURRENT: held,
    OLD: held,
    generations: { CURRENT: 3, OLD: 2 },
  };
  const unit = { registers: { read: () => Promise.resolve([reading]) } } as unknown as CryptoUnit;
  const units = new AttachedUnits();
  let isThere = false;
  units.attachLater(record, () =>
    isThere ? Promise.resolve(unit) : Promise.reject(new Error("not asked yet")),
  );
  const marks: RollbackMark[] = [];
  const alarms: string[] = [];
  const watch = () =>
    watchUnits({
      store: {
        listFences: () => Promise.resolve([]),
        listGenerations: () => Promise.resolve([{ unit: ADDRESS, type: DEFAULT_TYPE, generation: 2 }]),
        setUnitState: () => Promise.reject(new Error("no unit is taken out")),
        readRollback: () => Promise.resolve(marks[0]),
        markRollback: ({ mark }) => {
          marks.push(mark);
          return Promise.resolve("marked");
        },
      },
      units,
      materials: {} as OpenedMaterials,
      alarms: { raise: (_, text) => void alarms.push(text) },
      clock: { nowMs: () => 0, sleep: () => Promise.resolve() },
    });
  await watch();
  expect(marks).toEqual([]);
  isThere = true;
  await units.refresh(ADDRESS);
  await watch();
  await watch();
  expect(marks.map(({ reason }) => reason)).toEqual([
    `found older than crypto unit ${ADDRESS}: its CURRENT is its master key number 3, and the database has seen 2`,
  ]);
  expect(alarms).toEqual([expect.stringContaining("read-only until somebody has accepted")]);
});
