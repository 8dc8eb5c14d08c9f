import { describe, expect, test } from "vitest";
import type { UnitAddress, Vp } from "../ids.ts";
import { DEFAULT_GROUP, DEFAULT_TYPE } from "../ids.ts";
import type { SeenGeneration, UnitState } from "../ports/store.ts";
import type { AttachedUnit } from "./attached-units.ts";
import type { CryptoUnit } from "./crypto-unit.ts";
import { describeUnseenGeneration, noteFirstGenerations, noteGenerations } from "./generations.ts";

/** What is kept of them, as the store keeps it. */
function seenStore(...seen: SeenGeneration[]) {
  return {
    seen,
    listGenerations: async () => seen,
    noteGeneration: async (one: SeenGeneration) => void seen.push(one),
  };
}

const at = (address: string, current: number, state: UnitState = "serving", fresh = 0) => {
  const held = { state: "valid" as const, vp: "00" as Vp };
  const record = {
    address: address as UnitAddress,
    group: DEFAULT_GROUP,
    adapter: "pkcs11" as const,
    state,
    reason: undefined,
    stateBy: "alice",
    publicKey: new Uint8Array(),
    addedAtMs: 0,
  };
  const generations = { CURRENT: current, ...(fresh > 0 && { NEW: fresh }) };
  const NEW = { state: "empty" as const, vp: undefined };
  const readings = [{ type: DEFAULT_TYPE, NEW, CURRENT: held, OLD: held, generations }];
  return { record, unit: {} as CryptoUnit, readings } satisfies AttachedUnit;
};
const seen = (unit: string, generation: number): SeenGeneration => ({
  unit: unit as UnitAddress,
  type: DEFAULT_TYPE,
  generation,
});

describe("generations of master keys", () => {
  test("a CURRENT that the database has not seen makes it older than that unit", async () => {
    const store = seenStore(seen("01.0001", 2), seen("01.0002", 2));
    expect(await describeUnseenGeneration(store, [at("01.0001", 2), at("01.0002", 1)])).toBeUndefined();
    const older = await describeUnseenGeneration(store, [at("01.0001", 2), at("01.0002", 3)]);
    expect(older).toBe(
      "older than crypto unit 01.0002: its CURRENT is its master key number 3, and the database has seen 2",
    );
  });

  test("a unit that joins, does not answer, counts nothing or is unknown yet says nothing", async () => {
    const store = seenStore(seen("01.0001", 1));
    const joins = at("01.0001", 9, "joining");
    const silent = { ...at("01.0001", 9), readings: undefined };
    const [reading] = at("01.0001", 9).readings;
    const { generations: _, ...uncounted } = reading ?? expect.fail();
    const software = { ...at("01.0001", 9), readings: [uncounted] };
    expect(
      await describeUnseenGeneration(store, [joins, silent, software, at("02.0002", 9)]),
    ).toBeUndefined();
  });

  test("what may become CURRENT is noted with what is", async () => {
    const store = seenStore();
    await noteGenerations(store, at("01.0001", 2, "serving", 3));
    expect(store.seen).toEqual([seen("01.0001", 3)]);
  });

  test("at a first look only what was never noted is taken over", async () => {
    const store = seenStore(seen("01.0001", 1));
    await noteFirstGenerations(store, [at("01.0001", 9), at("01.0002", 2), at("01.0003", 1, "joining")]);
    expect(store.seen).toEqual([seen("01.0001", 1), seen("01.0002", 2)]);
  });
});
